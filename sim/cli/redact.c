// quicether-sim redact: a recording for others to see.
#include "replay/redact.h"
#include "cli/recorded.h"

#include "base/time.h"
#include "quic/library.h"
#include "record/action.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "Usage: quicether-sim redact FILE OUT [--key KEYFILE] [--truncated]\n"
    "\n"
    "Makes a recording that can be shown to others: packets without encryption and without what programs sent, and\n"
    "no key. Who talked to whom, when and how much stays. It replays as any other.\n"
    "\n"
    "  --key KEYFILE  the secret key of a sealed recording\n"
    "  --truncated    takes a recording that stops without an end, up to its last whole block\n"
    "  --help         this text\n"
    "\n"
    "Exit status: 0 it is redacted, 1 it does not replay, 2 the command line or the recording is wrong.\n";

struct options {
    struct sim_recorded recorded;
    const char *out;
    bool truncated, help;
};

struct reading {
    const struct sim_recorded *recorded;
    struct sim_recording recording;
};

static int parse_options(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {{"key", required_argument, NULL, 'k'}, {"truncated", no_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'}, {0}};
    int letter;
    while ((letter = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (letter) {
        case 'k':
            o->recorded.key = optarg;
            break;
        case 'c':
            o->truncated = true;
            break;
        case 'h':
            o->help = true;
            return 0;
        default:
            return sim_complain("unknown or incomplete option", NULL);
        }
    }
    if (optind + 2 != argc) return sim_complain("redact wants a recording and a file to make", NULL);
    o->recorded.file = argv[optind];
    o->out = argv[optind + 1];
    return 0;
}

static struct qe_record_reader *open_again(void *user)
{
    struct reading *reading = user;
    return sim_recorded_open(reading->recorded, &reading->recording) == 0 ? &reading->recording.reader : NULL;
}

static void close_again(void *user, struct qe_record_reader *reader)
{
    struct reading *reading = user;
    (void)reader;
    sim_recording_close(&reading->recording);
}

static FILE *make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "wb");
    if (!out) sim_complain_file(path);
    return out;
}

static int tell(const struct options *o, const struct sim_replay_result *result)
{
    switch (result->verdict) {
    case SIM_REPLAY_SAME:
        printf("%s: redacted: %" PRIu64 " events, %" PRIu64 " actions\n", o->out, result->events, result->actions);
        return SIM_EXIT_PASS;
    case SIM_REPLAY_DIFFERS:
        printf("%s: cannot be redacted, because it does not replay:\n  at       %s\n  recorded %s\n  replayed %s\n",
            o->recorded.file, result->event, result->recorded, result->replayed);
        return SIM_EXIT_FAIL;
    default:
        return result->error[0] ? sim_refuse(o->recorded.file, result->error) : SIM_EXIT_USAGE;
    }
}

static int redact(const struct options *o)
{
    struct reading reading = {.recorded = &o->recorded};
    struct sim_replay_result result;
    uint8_t hash_key[QE_RECORD_HASH_KEY_SIZE];
    // Whatever is wrong with it is said before anything is made.
    if (!open_again(&reading)) return SIM_EXIT_USAGE;
    bool redacted = reading.recording.reader.header.redacted;
    close_again(&reading, NULL);
    if (redacted) return sim_refuse(o->recorded.file, "redacted already");
    FILE *out = make_file(o->out);
    if (!out) return SIM_EXIT_USAGE;
    randombytes_buf(hash_key, sizeof hash_key);
    struct sim_redact_options options = {.tls = qe_tls_library_new(),
        .open = open_again,
        .close = close_again,
        .user = &reading,
        .out = out,
        .hash_key = hash_key,
        .cut = o->truncated};
    int status = SIM_EXIT_FAIL;
    if (options.tls) {
        sim_redact(&options, &result);
        status = tell(o, &result);
        qe_tls_library_free(options.tls);
    }
    if (fclose(out) != 0 && status == SIM_EXIT_PASS) status = sim_complain_file(o->out);
    // Half of one is none.
    if (status != SIM_EXIT_PASS) unlink(o->out);
    return status;
}

int sim_command_redact(int argc, char **argv)
{
    struct options o = {.truncated = false};
    int status = parse_options(argc, argv, &o);
    if (status) return status;
    if (o.help) {
        fputs(usage, stdout);
        return SIM_EXIT_PASS;
    }
    return redact(&o);
}
