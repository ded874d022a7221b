"""The pages that people see, a file a noun; thin routes over store and templates."""
