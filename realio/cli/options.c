// Keeps true: an option is declared once, in the table below; parsing, help and completion all come from there. An
// option that a command does not take is an error, not ignored.
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define ON(command)    (1u << (command))
#define ON_START       ON(QE_CLI_START)
#define ON_CLIENTS     (ON(QE_CLI_STOP) | ON(QE_CLI_STATUS) | ON(QE_CLI_PEERS) | ON(QE_CLI_ROUTES) | ON(QE_CLI_PING))
#define ON_WATCHERS    (ON(QE_CLI_STATUS) | ON(QE_CLI_PEERS))
#define ON_ALL         (ON(QE_CLI_COMMAND_COUNT) - 1)
#define SETTING(kind)  (0x200 + (kind))
#define IS_SETTING(at) ((at) >= SETTING(0))
// What getopt_long calls an option: its row. No character is that large.
#define ROW(index) (0x1000 + (int)(index))

enum key {
    KEY_HELP = 0x100,
    KEY_JSON,
    KEY_WATCH,
    KEY_DETACH,
    KEY_CONTROL,
    KEY_STATE_DIR,
    KEY_CONFIG,
    KEY_RECORD,
    KEY_RECORD_LIMIT,
    KEY_RECORD_TO,
    KEY_COUNT,
    KEY_INTERVAL,
};

struct option_row {
    const char *name;
    const char *value; // what the help calls it; NULL: takes none
    unsigned commands;
    int key;
    const char *help;
};

static const struct option_row option_rows[] = {
    {"config", "FILE", ON_START, KEY_CONFIG, "configuration file (TOML); without it the default one, if it exists"},
    {"state-dir", "DIR", ON_START | ON(QE_CLI_ID), KEY_STATE_DIR, "where the key and other state are kept"},
    {"control", "SOCKET", ON_START | ON_CLIENTS | ON(QE_CLI_ID) | ON(QE_CLI_VERSION), KEY_CONTROL,
        "the daemon's control socket"},
    {"listen", "ADDR:PORT", ON_START, SETTING(QE_CLI_LISTEN),
        "UDP address to listen on; may be repeated (default 0.0.0.0:9000 and [::]:9000)"},
    {"tun-name", "NAME", ON_START, SETTING(QE_CLI_TUN_NAME), "name of the TUN interface (default quicether0)"},
    {"tun-addr", "CIDR", ON_START, SETTING(QE_CLI_TUN_ADDR),
        "overlay address with its prefix (default: in 100.64.0.0/16, from the node ID)"},
    {"name", "NAME", ON_START, SETTING(QE_CLI_NAME), "this node's name"},
    {"peer", "ID@ADDR:PORT", ON_START, SETTING(QE_CLI_PEER),
        "a peer that may connect, and where to dial it; ID alone waits for it; may be repeated"},
    {"peer-allow", "ID|NAME", ON_START, SETTING(QE_CLI_PEER_ALLOW), "a peer that may connect; may be repeated"},
    {"log-level", "LEVEL", ON_START, SETTING(QE_CLI_LOG_LEVEL), "error, warn, info or debug (default info)"},
    {"record", "FILE", ON_START, KEY_RECORD, "write down what goes in and out of the node, for quicether-sim replay"},
    {"record-limit", "SIZE", ON_START, KEY_RECORD_LIMIT,
        "end the recording before it is larger, such as 500MB or 2GiB"},
    {"record-to", "KEY", ON_START, KEY_RECORD_TO, "seal the recording to this public key (quicether-sim keygen)"},
    {"detach", NULL, ON_START, KEY_DETACH, "run in the background; returns once the node is up"},
    {"watch", NULL, ON_WATCHERS, KEY_WATCH, "show it again and again until interrupted"},
    {"count", "N", ON(QE_CLI_PING), KEY_COUNT, "how many pings to send (default 4; 0: until interrupted)"},
    {"interval", "SECONDS", ON_WATCHERS | ON(QE_CLI_PING), KEY_INTERVAL, "time between two (default 1)"},
    {"json", NULL, ON_CLIENTS | ON(QE_CLI_ID) | ON(QE_CLI_VERSION), KEY_JSON, "print JSON, one document a line"},
    {"help", NULL, ON_ALL, KEY_HELP, "show this help"},
};
#define OPTION_COUNT (sizeof(option_rows) / sizeof(option_rows[0]))

struct command_row {
    const char *name;
    const char *argument; // what the help calls it; NULL: takes none
    bool required;
    const char *help;
};

static const struct command_row command_rows[QE_CLI_COMMAND_COUNT] = {
    [QE_CLI_START] = {"start", NULL, false, "run a node, in the foreground unless --detach is given"},
    [QE_CLI_STOP] = {"stop", NULL, false, "stop the daemon and wait until it is gone"},
    [QE_CLI_STATUS] = {"status", NULL, false, "show the node: its ID, TUN interface, peers and paths"},
    [QE_CLI_PEERS] = {"peers", NULL, false, "list the peers"},
    [QE_CLI_ROUTES] = {"routes", NULL, false, "list the routes"},
    [QE_CLI_PING] = {"ping", "PEER", true,
        "measure the round-trip time to a peer: its ID, a unique start of it, or name"},
    [QE_CLI_ID] = {"id", NULL, false, "print the node ID; makes the key if there is none"},
    [QE_CLI_VERSION] = {"version", NULL, false, "print the version"},
    [QE_CLI_HELP] = {"help", "COMMAND", false, "show the help of a command"},
};

enum qe_cli_command qe_cli_command_find(const char *name)
{
    for (unsigned i = 0; i < QE_CLI_COMMAND_COUNT; i++)
        if (strcmp(command_rows[i].name, name) == 0) return (enum qe_cli_command)i;
    return QE_CLI_COMMAND_COUNT;
}

const char *qe_cli_command_name(enum qe_cli_command command)
{
    return command_rows[command].name;
}

// Refuses the line, with control characters from it made harmless. -1.
__attribute__((format(printf, 2, 3))) static int refuse(char error[QE_CLI_ERROR_SIZE], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, QE_CLI_ERROR_SIZE, format, args);
    va_end(args);
    for (char *c = error; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127) *c = '?';
    return -1;
}

// Decimal digits alone, at most `max`.
static bool parse_count(const char *text, uint32_t max, uint32_t *out)
{
    uint32_t n = 0;
    if (!*text || strlen(text) > 9) return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return false;
        n = n * 10 + (uint32_t)(*text - '0');
    }
    if (n > max) return false;
    *out = n;
    return true;
}

// Seconds with up to three decimals, as milliseconds.
static bool parse_interval(const char *text, uint32_t *out)
{
    char whole[16] = "0", part[4] = "000";
    size_t dot = strcspn(text, ".");
    uint32_t seconds, ms;
    if (dot >= sizeof(whole) || (dot == 0 && !text[dot])) return false;
    if (dot) {
        memcpy(whole, text, dot);
        whole[dot] = 0;
    }
    if (text[dot] == '.') {
        size_t decimals = strlen(text + dot + 1);
        if (decimals < 1 || decimals > 3) return false;
        memcpy(part, text + dot + 1, decimals);
    }
    if (!parse_count(whole, QE_CLI_INTERVAL_MS_MAX / 1000, &seconds) || !parse_count(part, 999, &ms)) return false;
    ms += seconds * 1000;
    if (ms < QE_CLI_INTERVAL_MS_MIN || ms > QE_CLI_INTERVAL_MS_MAX) return false;
    *out = ms;
    return true;
}

// A number of bytes, with kB, MB, GB, KiB, MiB, GiB or nothing behind it.
static bool parse_size(const char *text, uint64_t *out)
{
    static const struct unit {
        const char *name;
        uint64_t bytes;
    } units[] = {{"", 1}, {"B", 1}, {"kB", 1000}, {"MB", 1000000}, {"GB", 1000000000}, {"KiB", 1 << 10},
        {"MiB", 1 << 20}, {"GiB", 1 << 30}};
    char digits[10] = "";
    uint32_t n;
    size_t size = strspn(text, "0123456789");
    if (size >= sizeof(digits)) return false;
    memcpy(digits, text, size);
    if (!parse_count(digits, UINT32_MAX, &n)) return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(text + size, units[i].name) != 0) continue;
        *out = n * units[i].bytes;
        return true;
    }
    return false;
}

static int apply(
    struct qe_cli_options *o, const struct option_row *row, const char *value, char error[QE_CLI_ERROR_SIZE])
{
    if (value && !*value) return refuse(error, "--%s wants a value: --%s %s", row->name, row->name, row->value);
    if (IS_SETTING(row->key)) {
        o->settings[o->setting_count++] =
            (struct qe_cli_setting){(enum qe_cli_setting_kind)(row->key - SETTING(0)), row->name, value};
        return 0;
    }
    switch (row->key) {
    case KEY_HELP:
        o->help = true;
        return 0;
    case KEY_JSON:
        o->json = true;
        return 0;
    case KEY_WATCH:
        o->watch = true;
        return 0;
    case KEY_DETACH:
        o->detach = true;
        return 0;
    case KEY_CONTROL:
        o->control = value;
        return 0;
    case KEY_STATE_DIR:
        o->state_dir = value;
        return 0;
    case KEY_CONFIG:
        o->config = value;
        return 0;
    case KEY_RECORD:
        o->record = value;
        return 0;
    case KEY_RECORD_TO:
        o->record_to = value;
        return 0;
    case KEY_RECORD_LIMIT:
        if (parse_size(value, &o->record_limit_bytes) && o->record_limit_bytes >= QE_CLI_RECORD_LIMIT_MIN) return 0;
        return refuse(error, "--record-limit '%s' is no size of at least 1MiB, such as 500MB or 2GiB", value);
    case KEY_COUNT:
        if (parse_count(value, QE_CLI_COUNT_MAX, &o->count)) return 0;
        return refuse(error, "--count '%s' is no number from 0 to %d", value, QE_CLI_COUNT_MAX);
    default:
        if (parse_interval(value, &o->interval_ms)) return 0;
        return refuse(error, "--interval '%s' is no number of seconds from 0.01 to 3600", value);
    }
}

// What getopt_long did not like. -1.
static int refuse_option(int key, char **argv, char error[QE_CLI_ERROR_SIZE])
{
    const struct option_row *row =
        optopt >= ROW(0) && optopt < ROW(OPTION_COUNT) ? &option_rows[optopt - ROW(0)] : NULL;
    if (row && key == ':') return refuse(error, "--%s wants a value: --%s %s", row->name, row->name, row->value);
    if (row || optopt == 'V') return refuse(error, "--%s takes no value", row ? row->name : "version");
    if (optopt) return refuse(error, "unknown option '-%c'; see 'quicether --help'", optopt);
    const char *given = argv[optind - 1];
    return refuse(error, "unknown option '%.*s'; see 'quicether --help'", (int)strcspn(given, "="), given);
}

// The options, into `seen` (a mask of rows). Whatever is none ends up from argv[optind] on.
static int parse_options(int argc, char **argv, struct qe_cli_options *o, unsigned *seen, char error[QE_CLI_ERROR_SIZE])
{
    struct option longs[OPTION_COUNT + 2] = {{0}};
    for (size_t i = 0; i < OPTION_COUNT; i++)
        longs[i] =
            (struct option){option_rows[i].name, option_rows[i].value ? required_argument : no_argument, NULL, ROW(i)};
    longs[OPTION_COUNT] = (struct option){"version", no_argument, NULL, 'V'};
    optind = 0; // glibc: start afresh
    opterr = 0;
    for (int key; (key = getopt_long(argc, argv, ":hV", longs, NULL)) != -1;) {
        if (key == '?' || key == ':') return refuse_option(key, argv, error);
        if (key == 'V') {
            o->command = QE_CLI_VERSION;
            continue;
        }
        const struct option_row *row = &option_rows[key == 'h' ? OPTION_COUNT - 1 : (size_t)(key - ROW(0))];
        *seen |= 1u << (row - option_rows);
        if (apply(o, row, row->value ? optarg : NULL, error) != 0) return -1;
    }
    return 0;
}

static int parse_command(int argc, char **argv, struct qe_cli_options *o, char error[QE_CLI_ERROR_SIZE])
{
    bool version = o->command == QE_CLI_VERSION;
    if (optind < argc) {
        o->command = qe_cli_command_find(argv[optind]);
        if (o->command == QE_CLI_COMMAND_COUNT)
            return refuse(error, "there is no command '%.64s'; 'quicether --help' lists them", argv[optind]);
        optind++;
        if (version) o->command = QE_CLI_VERSION;
    } else if (o->help) {
        o->command = QE_CLI_HELP;
    } else if (!version) {
        return refuse(error, "a command is missing; 'quicether --help' lists them");
    }
    if (o->help) return 0;
    const struct command_row *row = &command_rows[o->command];
    if (row->argument && optind < argc)
        o->argument = argv[optind++];
    else if (row->required)
        return refuse(
            error, "'quicether %s' wants a %s; see 'quicether %s --help'", row->name, row->argument, row->name);
    if (optind < argc && !version)
        return refuse(error, "'%.64s' is one argument too many; see 'quicether %s --help'", argv[optind], row->name);
    if (o->command == QE_CLI_HELP && o->argument && qe_cli_command_find(o->argument) == QE_CLI_COMMAND_COUNT)
        return refuse(error, "there is no command '%.64s'; 'quicether --help' lists them", o->argument);
    return 0;
}

int qe_cli_parse(int argc, char **argv, struct qe_cli_options *options, char error[QE_CLI_ERROR_SIZE])
{
    unsigned seen = 0;
    *options = (struct qe_cli_options){.command = QE_CLI_COMMAND_COUNT, .count = 4, .interval_ms = 1000};
    options->settings = calloc((size_t)argc + 1, sizeof(*options->settings));
    if (!options->settings) return refuse(error, "%s", strerror(ENOMEM));
    if (parse_options(argc, argv, options, &seen, error) != 0) return -1;
    if (parse_command(argc, argv, options, error) != 0) return -1;
    if (options->help) return 0;
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if ((seen & (1u << i)) && !(option_rows[i].commands & ON(options->command)))
            return refuse(error, "'quicether %s' takes no --%s; see 'quicether %s --help'",
                qe_cli_command_name(options->command), option_rows[i].name, qe_cli_command_name(options->command));
    return 0;
}

void qe_cli_options_fini(struct qe_cli_options *options)
{
    free(options->settings);
    options->settings = NULL;
    options->setting_count = 0;
}

static const char *const exit_statuses[] = {
    "0  it worked",
    "1  it failed",
    "2  the command line or the configuration is wrong",
    "3  no daemon answers on the control socket",
    "4  the state directory or the key in it cannot be used (start, id)",
    "5  there is no TUN device, or no right to make one (start)",
    "6  a UDP address cannot be listened on (start)",
    "7  another daemon has the state directory (start)",
    "8  the control socket, metrics or health address cannot be had (start)",
    "9  the sandbox stopped the daemon: a bug, please report it (start)",
};

static void help_statuses(FILE *out)
{
    fputs("\nexit status:\n", out);
    for (size_t i = 0; i < sizeof(exit_statuses) / sizeof(exit_statuses[0]); i++)
        fprintf(out, "  %s\n", exit_statuses[i]);
}

static void help_program(FILE *out)
{
    fputs("usage: quicether COMMAND [OPTION...]\n\n"
          "A peer-to-peer VPN: packets between hosts that know each other's keys, over QUIC.\n\ncommands:\n",
        out);
    for (size_t i = 0; i < QE_CLI_COMMAND_COUNT; i++) {
        char left[32];
        snprintf(left, sizeof(left), "%s %s", command_rows[i].name,
            command_rows[i].argument ? command_rows[i].argument : "");
        fprintf(out, "  %-14s %s\n", left, command_rows[i].help);
    }
    fputs("\n'quicether COMMAND --help' shows the options of a command.\n", out);
    help_statuses(out);
}

void qe_cli_help(enum qe_cli_command command, FILE *out)
{
    if (command == QE_CLI_HELP || command == QE_CLI_COMMAND_COUNT) {
        help_program(out);
        return;
    }
    const struct command_row *row = &command_rows[command];
    fprintf(out, "usage: quicether %s%s%s [OPTION...]\n\n%s\n\noptions:\n", row->name, row->argument ? " " : "",
        row->argument ? row->argument : "", row->help);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        char left[40];
        if (!(option_rows[i].commands & ON(command))) continue;
        snprintf(left, sizeof(left), "--%s%s%s", option_rows[i].name, option_rows[i].value ? " " : "",
            option_rows[i].value ? option_rows[i].value : "");
        fprintf(out, "  %-22s %s\n", left, option_rows[i].help);
    }
    help_statuses(out);
}
