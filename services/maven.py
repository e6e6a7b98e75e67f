"""A server whose jars come from Maven Central and stay in the user's cache."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from services import Unavailable
from services.cache import kept
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

        def fetch(folder: Path) -> None:
            maven = shutil.which("mvn")
            if maven is None:
                raise Unavailable(
                    f"{self.name} comes from Maven Central, and there is no `mvn` in PATH. Debian: apt-get install "
                    f"maven. Or use a running {self.name}: {self.instead}"
                )
            command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
            finish([*command, f"-DoutputDirectory={folder}"], f"Maven cannot fetch {self.name}")

        return kept(self.inputs.name, [pom.read_bytes()], fetch)
