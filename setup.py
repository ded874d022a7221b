"""What pyproject.toml cannot say: the folders beside the package go into a wheel as a part of it."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
BESIDE = ("templates", "static", "migrations", "scenarios", "Procfile")


class BuildWithWhatLiesBeside(build_py):
    """Copies them where podhealth/beside.py looks first. An editable install finds them in the checkout."""

    def run(self) -> None:
        """Build the package, then add the rest."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "podhealth" / "_beside"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in BESIDE:
            if (HERE / name).is_dir():
                shutil.copytree(HERE / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(HERE / name, target / name)


setup(cmdclass={"build_py": BuildWithWhatLiesBeside})
