// quicether-sim replay.
#include "cli/recorded.h"

#include "base/time.h"
#include "pcap/pcap_reader.h"
#include "quic/library.h"
#include "replay/player.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
    "Usage: quicether-sim replay FILE [--key KEYFILE] [--until N] [--trace FILE] [--json FILE] [--truncated] "
    "[--force]\n"
    "\n"
    "Runs a recording (quicether start --record) through this program's core, which must do the same byte for byte.\n"
    "\n"
    "  --key KEYFILE  the secret key of a sealed recording (quicether-sim keygen)\n"
    "  --until N      stops after the first N events\n"
    "  --trace FILE   writes a readable line for each event and action\n"
    "  --json FILE    writes the result as JSON\n"
    "  --truncated    takes a recording that stops without an end, up to its last whole block\n"
    "  --force        tries a recording of another core or of other libraries\n"
    "  --hostile      FILE is a capture (pcap or pcapng; one that looks like it needs no option): gives its UDP\n"
    "                 datagrams to a lone node, which must not mind\n"
    "  --help         this text\n"
    "\n"
    "Exit status: 0 the same, 1 a difference, 2 the command line or the recording is wrong.\n";

struct options {
    struct sim_recorded recorded;
    const char *trace, *json;
    uint64_t until;
    bool truncated, hostile, help;
};

static int parse_options(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {{"key", required_argument, NULL, 'k'},
        {"until", required_argument, NULL, 'u'}, {"trace", required_argument, NULL, 't'},
        {"json", required_argument, NULL, 'o'}, {"truncated", no_argument, NULL, 'c'},
        {"hostile", no_argument, NULL, 'x'}, {"force", no_argument, NULL, 'f'}, {"help", no_argument, NULL, 'h'}, {0}};
    int letter;
    while ((letter = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (letter) {
        case 'k':
            o->recorded.key = optarg;
            break;
        case 'u':
            if (!sim_parse_number(optarg, 0, INT64_MAX, &o->until))
                return sim_complain("--until wants a number of events, not", optarg);
            break;
        case 't':
            o->trace = optarg;
            break;
        case 'o':
            o->json = optarg;
            break;
        case 'c':
            o->truncated = true;
            break;
        case 'f':
            o->recorded.force = true;
            break;
        case 'x':
            o->hostile = true;
            break;
        case 'h':
            o->help = true;
            return 0;
        default:
            return sim_complain("unknown or incomplete option", NULL);
        }
    }
    if (optind + 1 != argc) return sim_complain("replay wants one recording", NULL);
    o->recorded.file = argv[optind];
    return 0;
}

static void show_progress(void *user, const struct qe_record_reader *reader)
{
    struct sim_recording *recording = user;
    static uint64_t last_ms;
    uint64_t now_ms = sim_wall_clock_ms();
    if (now_ms - last_ms < 250 || recording->size == 0) return;
    last_ms = now_ms;
    fprintf(stderr, "\r%3" PRIu64 " %% of %" PRIu64 " MB", reader->offset * 100 / recording->size,
        recording->size / 1000000);
}

static int write_json(const char *path, const struct sim_replay_result *r, uint64_t wall_ms)
{
    static const char *const verdicts[] = {"same", "differs", "refused"};
    json_t *root = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "verdict", verdicts[r->verdict], "events",
        (json_int_t)r->events, "actions", (json_int_t)r->actions, "draws", (json_int_t)r->draws, "recorded_ms",
        (json_int_t)((r->last_ns - r->first_ns) / QE_NS_PER_MS), "wall_ms", (json_int_t)wall_ms);
    if (r->verdict == SIM_REPLAY_REFUSED) json_object_set_new(root, "error", json_string(r->error));
    if (r->verdict == SIM_REPLAY_DIFFERS) {
        json_object_set_new(root, "event", json_string(r->event));
        json_object_set_new(root, "recorded", json_string(r->recorded));
        json_object_set_new(root, "replayed", json_string(r->replayed));
    }
    FILE *out = fopen(path, "w");
    bool right = out && json_dumpf(root, out, JSON_INDENT(2)) == 0 && fputc('\n', out) != EOF;
    if (out && fclose(out) != 0) right = false;
    json_decref(root);
    return right ? 0 : sim_complain_file(path);
}

static int report(
    const struct options *o, const struct sim_recording *recording, const struct sim_replay_result *r, uint64_t wall_ms)
{
    uint64_t ms = (r->last_ns - r->first_ns) / QE_NS_PER_MS;
    const struct qe_record_reader *reader = &recording->reader;
    int status = o->json ? write_json(o->json, r, wall_ms) : 0;
    if (r->verdict == SIM_REPLAY_REFUSED) {
        fprintf(stderr, "quicether-sim: %s: %s%s\n", o->recorded.file, r->error,
            reader->state == QE_RECORD_CUT ? "; --truncated takes what is there" : "");
        return SIM_EXIT_USAGE;
    }
    if (r->verdict == SIM_REPLAY_DIFFERS) {
        printf("%s: differs\n  at       %s\n  recorded %s\n  replayed %s\n", o->recorded.file, r->event, r->recorded,
            r->replayed);
        return SIM_EXIT_FAIL;
    }
    printf("%s: the same: %" PRIu64 " events, %" PRIu64 " actions, %" PRIu64 ".%03" PRIu64
           " s recorded, replayed in %" PRIu64 ".%03" PRIu64 " s\n",
        o->recorded.file, r->events, r->actions, ms / 1000, ms % 1000, wall_ms / 1000, wall_ms % 1000);
    if (reader->state == QE_RECORD_CUT) printf("%s: %s\n", o->recorded.file, reader->error);
    if (reader->state == QE_RECORD_FINISHED && reader->end != QE_RECORD_STOPPED)
        printf("%s: the recording ended early: %s\n", o->recorded.file, qe_record_end_text(reader->end));
    return status;
}

static int replay(const struct options *o, struct sim_recording *recording)
{
    struct sim_replay_result result;
    struct sim_replay_options options = {.reader = &recording->reader,
        .tls = qe_tls_library_new(),
        .events_max = o->until,
        .cut = o->truncated,
        .user = recording};
    if (!options.tls) {
        fputs("quicether-sim: OpenSSL cannot be set up\n", stderr);
        return SIM_EXIT_FAIL;
    }
    if (o->trace && !(options.trace = fopen(o->trace, "w"))) {
        qe_tls_library_free(options.tls);
        return sim_complain_file(o->trace);
    }
    bool terminal = isatty(STDERR_FILENO) != 0;
    if (terminal) options.progress = show_progress;
    uint64_t began_ms = sim_wall_clock_ms();
    sim_replay(&options, &result);
    uint64_t wall_ms = sim_wall_clock_ms() - began_ms;
    if (terminal) fputs("\r\033[K", stderr);
    int status = report(o, recording, &result, wall_ms);
    if (options.trace && fclose(options.trace) != 0) status = sim_complain_file(o->trace);
    qe_tls_library_free(options.tls);
    return status;
}

// Only a file can be looked at twice; a pipe is a recording unless the command line says otherwise.
static bool is_capture(const char *path)
{
    struct stat status;
    uint8_t magic[4];
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode)) return false;
    FILE *in = fopen(path, "rb");
    if (!in) return false;
    bool is = fread(magic, sizeof(magic), 1, in) == 1 && sim_pcap_recognizes(magic);
    fclose(in);
    return is;
}

int sim_command_replay(int argc, char **argv)
{
    struct options o = {.until = UINT64_MAX};
    struct sim_recording recording;
    int status = parse_options(argc, argv, &o);
    if (status) return status;
    if (o.help) {
        fputs(usage, stdout);
        return SIM_EXIT_PASS;
    }
    if (o.hostile || is_capture(o.recorded.file)) return sim_command_hostile(o.recorded.file);
    status = sim_recorded_open(&o.recorded, &recording);
    if (status) return status;
    status = replay(&o, &recording);
    sim_recording_close(&recording);
    return status;
}
