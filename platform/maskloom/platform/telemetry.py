"""Traces of requests and steps, for who has a collector of OpenTelemetry's.

OTEL_EXPORTER_OTLP_ENDPOINT says where it is, as OpenTelemetry defines it, and its other variables count as well. Without it
nothing is traced. Spans name routes, steps and runs; no span has names of data sets and slices, which may be those of patients.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager

from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_tracer = trace.get_tracer("maskloom")


def span(
    name: str,
    attributes: dict[str, str],
    kind: SpanKind = SpanKind.INTERNAL,
    headers: dict[str, str] | None = None,
) -> AbstractContextManager[Span]:
    """A span around what is done within, which goes nowhere unless `send_traces` was called.

    `headers` are those of a request, which may name the span of who asks. Of an error it has that there was one: messages name
    things.
    """
    return _tracer.start_as_current_span(
        name,
        propagate.extract(headers or {}),
        kind,
        attributes,
        record_exception=False,
        set_status_on_exception=False,
    )


def send_traces(service: str) -> None:
    """From now on send the spans of this process, in the name of `service`, if there is a collector to send them to."""
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        return
    # A quarter of a second, which only who asked for traces should wait.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
