"""A server whose jars come from Maven Central and stay in the user's cache."""

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from services import Unavailable
from services.process import finish


@dataclass(frozen=True, slots=True)
class MavenServer:
    """What a Java server is made of: its name, the folder of its pom.xml, and the way to do without it."""

    name: str
    inputs: Path
    instead: str  # the environment variable of a running one, with an example

    def java(self) -> str:
        """The `java` of JAVA_HOME or of PATH.

        Raises:
            Unavailable: there is none.
        """
        home = os.environ.get("JAVA_HOME")
        java = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
        if java is None:
            where = f"JAVA_HOME={home}" if home else "PATH"
            raise Unavailable(
                f"{self.name} needs Java 17 or newer, and there is no `java` in {where}. Debian: apt-get install "
                f"openjdk-17-jre-headless. Or use a running {self.name}: {self.instead}"
            )
        return java

    def jars(self) -> Path:
        """The folder of the jars, filled by Maven the first time and whenever pom.xml has changed.

        Raises:
            Unavailable: Maven is missing, or cannot fetch them.
        """
        pom = self.inputs / "pom.xml"
        version = hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "unbroken"
        jars = cache / f"{self.inputs.name}-{version}"
        if jars.is_dir():
            return jars
        maven = shutil.which("mvn")
        if maven is None:
            raise Unavailable(
                f"{self.name} comes from Maven Central, and there is no `mvn` in PATH. Debian: apt-get install maven. "
                f"Or use a running {self.name}: {self.instead}"
            )
        cache.mkdir(parents=True, exist_ok=True)
        # Filled aside and renamed: an interrupted download, or two runs at once, leave no half-filled folder.
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            filled = Path(scratch) / "jars"
            command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
            finish([*command, f"-DoutputDirectory={filled}"], f"Maven cannot fetch {self.name}")
            try:
                filled.rename(jars)
            except OSError:
                if not jars.is_dir():
                    raise
        return jars
