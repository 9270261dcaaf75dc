// Metrics as JSON (docs/api.md, GET /v1/metrics) to Prometheus' text exposition format 0.0.4.
#ifndef QE_CONTROL_PROMETHEUS_H
#define QE_CONTROL_PROMETHEUS_H

#include <jansson.h>
#include <stddef.h>

// Largest text that is rendered.
#define QE_PROMETHEUS_SIZE_MAX (8u << 20)

#define QE_PROMETHEUS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

// `metrics`: {"metrics": [{"name", "type", "help", "samples": [{"labels", "value" | "value_milli",
// "suffix" in a histogram}]}]}. On success 0
// and *text is malloc'ed (*size bytes, no NUL counted). -1 where the shape, a name or a label is not as documented, or
// the text grows too large.
int qe_prometheus_render(const json_t *metrics, char **text, size_t *size);

#endif
