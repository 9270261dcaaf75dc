// quicether-sim replay CAPTURE --hostile.
#include "replay/hostile.h"

#include "cli/command.h"

#include "base/time.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

// The counters that are not zero; docs/api.md has their names.
static void tell_counters(const char *metrics)
{
    json_t *root = metrics ? json_loads(metrics, 0, NULL) : NULL;
    size_t i, k;
    json_t *metric, *sample;
    json_array_foreach(json_object_get(root, "metrics"), i, metric)
    {
        json_int_t sum = 0;
        json_array_foreach(json_object_get(metric, "samples"), k, sample) sum +=
            json_integer_value(json_object_get(sample, "value"));
        if (sum) printf("  %s %" JSON_INTEGER_FORMAT "\n", json_string_value(json_object_get(metric, "name")), sum);
    }
    json_decref(root);
}

static void tell(const char *file, const struct sim_hostile_result *r)
{
    printf("%s: %" PRIu64 " datagrams of %" PRIu64 " bytes in %" PRIu64 " s; %" PRIu64 " cut short, %" PRIu64
           " records of no UDP\n",
        file, r->datagrams, r->bytes, r->virtual_ns / QE_NS_PER_S, r->cut_short, r->other);
    printf("  sent %" PRIu64 " datagrams of %" PRIu64 " bytes; memory at most %" PRIu64 " KiB\n", r->sent,
        r->sent_bytes, r->memory_peak / 1024);
    tell_counters(r->metrics);
}

int sim_command_hostile(const char *file)
{
    char error[SIM_PCAP_ERROR_SIZE];
    struct sim_hostile_result result;
    struct sim_pcap_reader *capture = sim_pcap_open(file, error);
    struct qe_tls_library *tls = capture ? qe_tls_library_new() : NULL;
    if (!tls) {
        fprintf(stderr, "quicether-sim: %s\n", capture ? "OpenSSL cannot be set up" : error);
        sim_pcap_close(capture);
        return SIM_EXIT_USAGE;
    }
    sim_hostile(capture, tls, &result);
    int status = SIM_EXIT_PASS;
    if (result.failure[0]) {
        printf("%s: FAILED: %s\n", file, result.failure);
        status = SIM_EXIT_FAIL;
    }
    tell(file, &result);
    if (result.error[0] && status == SIM_EXIT_PASS) {
        fprintf(stderr, "quicether-sim: %s\n", result.error);
        status = SIM_EXIT_USAGE;
    }
    sim_hostile_result_fini(&result);
    sim_pcap_close(capture);
    qe_tls_library_free(tls);
    return status;
}
