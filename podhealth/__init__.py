"""PodHealth watches pods by what their applications answer and heals them by policy, carefully."""
