"""Sources: where live samples come from, as chunks of one sampling rate and known leads."""

from __future__ import annotations

from .chunks import ChunkSource, open_source
from .lsl import LslSamples
from .network import TcpSamples, UdpSamples
from .polar import PolarSamples
from .queue import SampleQueue
from .serial_port import SerialSamples

__all__ = [
    "ChunkSource",
    "LslSamples",
    "PolarSamples",
    "SampleQueue",
    "SerialSamples",
    "TcpSamples",
    "UdpSamples",
    "open_source",
]
