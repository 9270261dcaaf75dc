// Keeps true: an option is declared once, in the table below; parsing, help and completion all come from there. An
// option that a command does not take is an error, not ignored.
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define ON(command) (1u << (command))
#define ON_START    ON(QE_CLI_START)
#define ON_DHT                                                                                                         \
    (ON(QE_CLI_DHT_STATUS) | ON(QE_CLI_DHT_NODES) | ON(QE_CLI_DHT_LOOKUP) | ON(QE_CLI_DHT_GET) | ON(QE_CLI_DHT_PUT))
#define ON_NETWORK (ON(QE_CLI_NETWORK_NEW) | ON(QE_CLI_NETWORK_SHOW) | ON(QE_CLI_NETWORK_LEAVE))
#define ON_CLIENTS                                                                                                     \
    (ON(QE_CLI_STOP) | ON(QE_CLI_STATUS) | ON(QE_CLI_PEERS) | ON(QE_CLI_ROUTES) | ON(QE_CLI_GATEWAYS) |                \
        ON(QE_CLI_RELAY) | ON(QE_CLI_NETCHECK) | ON(QE_CLI_PING) | ON(QE_CLI_INVITE) | ON(QE_CLI_JOIN) |               \
        ON(QE_CLI_NETWORK_SHOW) | ON_DHT)
#define ON_CONFIG      (ON(QE_CLI_CONFIG_GET) | ON(QE_CLI_CONFIG_SET) | ON(QE_CLI_CONFIG_SHOW))
#define ON_SET         (ON_START | ON(QE_CLI_CONFIG_SET))
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
    KEY_FORCE,
    KEY_EXPIRES,
    KEY_USES,
    KEY_SALT,
    KEY_SEQ,
    KEY_CAS,
};

struct option_row {
    const char *name;
    const char *value; // what the help calls it; NULL: takes none
    unsigned commands;
    int key;
    const char *help;
};

static const struct option_row option_rows[] = {
    {"config", "FILE", ON_START | ON_CONFIG, KEY_CONFIG,
        "configuration file (TOML); without it the default one, if it exists"},
    {"state-dir", "DIR", ON_START | ON(QE_CLI_ID) | ON(QE_CLI_JOIN) | ON_NETWORK, KEY_STATE_DIR,
        "where the key and other state are kept"},
    {"control", "SOCKET", ON_SET | ON_CLIENTS | ON(QE_CLI_ID) | ON(QE_CLI_VERSION), KEY_CONTROL,
        "the daemon's control socket"},
    {"listen", "ADDR:PORT", ON_SET, SETTING(QE_CLI_LISTEN),
        "UDP address to listen on; may be repeated (default 0.0.0.0:9000 and [::]:9000)"},
    {"tun-name", "NAME", ON_SET, SETTING(QE_CLI_TUN_NAME), "name of the TUN interface (default quicether0)"},
    {"tun-addr", "CIDR", ON_SET, SETTING(QE_CLI_TUN_ADDR),
        "overlay address with its prefix (default: in 100.64.0.0/16, from the node ID)"},
    {"name", "NAME", ON_SET, SETTING(QE_CLI_NAME), "this node's name"},
    {"peer", "ID@ADDR:PORT", ON_START, SETTING(QE_CLI_PEER),
        "a peer that may connect, and where to dial it; ID alone waits for it; may be repeated"},
    {"peer-allow", "ID|NAME", ON_START, SETTING(QE_CLI_PEER_ALLOW), "a peer that may connect; may be repeated"},
    {"bootstrap", "HOST:PORT", ON_SET, SETTING(QE_CLI_BOOTSTRAP),
        "whom to ask first for other nodes; may be repeated; none: nobody (default bootstrap.quicether.org:9000)"},
    {"bootstrap-mode", NULL, ON_SET, SETTING(QE_CLI_BOOTSTRAP_MODE), "be a well-known node that others ask first"},
    {"dht-port", "PORT", ON_SET, SETTING(QE_CLI_DHT_PORT), "UDP port of the DHT and the tunnel (default 9000)"},
    {"public-ip", "ADDR", ON_SET, SETTING(QE_CLI_PUBLIC_IP), "where others reach this node"},
    {"mainline", NULL, ON_SET, SETTING(QE_CLI_MAINLINE),
        "join the public BitTorrent DHT, too; it makes this node's address known there"},
    {"advertise-subnet", "CIDR", ON_SET, SETTING(QE_CLI_ADVERTISE_SUBNET),
        "a network behind this node, for others to reach; may be repeated"},
    {"accept-subnet", "CIDR", ON_SET, SETTING(QE_CLI_ACCEPT_SUBNET),
        "networks of others that this node uses; may be repeated; none: none (default: any but a default route)"},
    {"no-forward", NULL, ON_SET, SETTING(QE_CLI_NO_FORWARD), "leave the kernel's forwarding as it is"},
    {"no-masquerade", NULL, ON_SET, SETTING(QE_CLI_NO_MASQUERADE),
        "let hosts behind this node see the overlay's addresses"},
    {"no-dns", NULL, ON_SET, SETTING(QE_CLI_NO_DNS), "answer no names, and leave the system's resolver as it is"},
    {"role", "ROLE", ON_SET, SETTING(QE_CLI_ROLE), "node or gateway, which relays for others (default node)"},
    {"gateway-prefer", "ID|NAME", ON_SET, SETTING(QE_CLI_GATEWAY_PREFER),
        "a gateway to use before others; may be repeated; none: none"},
    {"gateway-allow", "ID|NAME", ON_SET, SETTING(QE_CLI_GATEWAY_ALLOW),
        "a gateway that may be used although it is of another network; may be repeated; none: none"},
    {"relay-allow", "WHO", ON_SET, SETTING(QE_CLI_RELAY_ALLOW),
        "whom a gateway relays for: nobody, members or allowed (default members)"},
    {"relay-emergency", NULL, ON_SET, SETTING(QE_CLI_RELAY_EMERGENCY),
        "relay for others, although this is no gateway, where there is none"},
    {"exit-node", "ID|NAME", ON_SET, SETTING(QE_CLI_EXIT_NODE),
        "the peer through which everything goes that no other route takes; none: no such peer"},
    {"exit-leak", NULL, ON_SET, SETTING(QE_CLI_EXIT_LEAK), "let that go without the exit node while it is away"},
    {"no-port-mapping", NULL, ON_SET, SETTING(QE_CLI_NO_PORT_MAPPING), "ask no NAT for a port"},
    {"log-level", "LEVEL", ON_SET, SETTING(QE_CLI_LOG_LEVEL), "error, warn, info or debug (default info)"},
    {"record", "FILE", ON_START, KEY_RECORD, "write down what goes in and out of the node, for quicether-sim replay"},
    {"record-limit", "SIZE", ON_START, KEY_RECORD_LIMIT,
        "end the recording before it is larger, such as 500MB or 2GiB"},
    {"record-to", "KEY", ON_START, KEY_RECORD_TO, "seal the recording to this public key (quicether-sim keygen)"},
    {"detach", NULL, ON_START, KEY_DETACH, "run in the background; returns once the node is up"},
    {"watch", NULL, ON_WATCHERS, KEY_WATCH, "show it again and again until interrupted"},
    {"count", "N", ON(QE_CLI_PING), KEY_COUNT, "how many pings to send (default 4; 0: until interrupted)"},
    {"interval", "SECONDS", ON_WATCHERS | ON(QE_CLI_PING), KEY_INTERVAL, "time between two (default 1)"},
    {"expires", "TIME", ON(QE_CLI_INVITE), KEY_EXPIRES,
        "how long it can be redeemed, such as 30m, 12h or 7d (default 1d)"},
    {"uses", "N", ON(QE_CLI_INVITE), KEY_USES, "how many hosts can redeem it (default 1)"},
    {"force", NULL, ON(QE_CLI_NETWORK_NEW) | ON(QE_CLI_NETWORK_LEAVE), KEY_FORCE,
        "new: even where this node is in a network already; leave: even where its key is damaged"},
    {"salt", "TEXT", ON(QE_CLI_DHT_GET) | ON(QE_CLI_DHT_PUT), KEY_SALT, "the item's salt; put: makes a mutable item"},
    {"seq", "N", ON(QE_CLI_DHT_PUT), KEY_SEQ, "its sequence number (default: the time in milliseconds)"},
    {"cas", "N", ON(QE_CLI_DHT_PUT), KEY_CAS, "only in place of the item with this sequence number"},
    {"json", NULL, ON_CLIENTS | ON_NETWORK | ON_CONFIG | ON(QE_CLI_ID) | ON(QE_CLI_VERSION), KEY_JSON,
        "print JSON, one document a line"},
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
    [QE_CLI_GATEWAYS] = {"gateways", NULL, false,
        "list the gateways that are known, and through which others reach the node"},
    [QE_CLI_RELAY] = {"relay", NULL, false, "show for whom this node relays, and how much"},
    [QE_CLI_NETCHECK] = {"netcheck", NULL, false, "find out what NATs are in front of the node, and what that means"},
    [QE_CLI_PING] = {"ping", "PEER", true,
        "measure the round-trip time to a peer: its ID, a unique start of it, name or address"},
    [QE_CLI_NETWORK_NEW] = {"network new", NULL, false, "make a private network, with this node as its first member"},
    [QE_CLI_NETWORK_SHOW] = {"network show", NULL, false, "show the private network that this node is in"},
    [QE_CLI_NETWORK_LEAVE] = {"network leave", NULL, false, "forget the private network that this node is in"},
    [QE_CLI_INVITE] = {"invite", NULL, false, "print an invitation to the network, one line for 'quicether join'"},
    [QE_CLI_JOIN] = {"join", "LINE", true, "join a private network by an invitation (-: from the standard input)"},
    [QE_CLI_DHT_STATUS] = {"dht status", NULL, false, "show how the node stands in the DHT"},
    [QE_CLI_DHT_NODES] = {"dht nodes", NULL, false, "list the nodes in its routing tables"},
    [QE_CLI_DHT_LOOKUP] = {"dht lookup", "TARGET", true,
        "find a node by its ID or name, or who has an overlay address or a network"},
    [QE_CLI_DHT_GET] = {"dht get", "TARGET", true, "get an item (BEP 44) by its 40 hexadecimal digits"},
    [QE_CLI_DHT_PUT] = {"dht put", "TEXT", true, "put a text as an item (BEP 44)"},
    [QE_CLI_CONFIG_GET] = {"config get", "KEY", true,
        "print what the configuration file says of a key, or its default"},
    [QE_CLI_CONFIG_SET] = {"config set", "KEY=VALUE", false,
        "change the configuration file, by options or a key, and tell the daemon"},
    [QE_CLI_CONFIG_SHOW] = {"config show", NULL, false, "print the configuration file with the defaults of the rest"},
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

// How many characters of a command's name are its first word.
static size_t group_size(enum qe_cli_command command)
{
    const char *name = command_rows[command].name;
    return name[strcspn(name, " ")] ? strcspn(name, " ") : 0;
}

static bool in_group(enum qe_cli_command command, const char *group)
{
    size_t size = group_size(command);
    return size && strlen(group) == size && memcmp(command_rows[command].name, group, size) == 0;
}

bool qe_cli_group_exists(const char *name)
{
    for (unsigned i = 0; i < QE_CLI_COMMAND_COUNT; i++)
        if (in_group((enum qe_cli_command)i, name)) return true;
    return false;
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

// A number of seconds, minutes, hours or days: "90s", "30m", "12h", "7d".
static bool parse_duration(const char *text, uint32_t *out)
{
    static const struct unit {
        char name;
        uint32_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    char digits[10] = "";
    uint32_t n;
    size_t size = strspn(text, "0123456789");
    if (size >= sizeof(digits) || strlen(text) != size + 1) return false;
    memcpy(digits, text, size);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (text[size] != units[i].name) continue;
        if (!parse_count(digits, QE_CLI_EXPIRES_S_MAX / units[i].seconds, &n) || n == 0) return false;
        *out = n * units[i].seconds;
        return true;
    }
    return false;
}

// Decimal digits alone, of a number that fits.
static bool parse_sequence(const char *text, int64_t *out)
{
    int64_t n = 0;
    if (!*text || strlen(text) > 18) return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return false;
        n = n * 10 + (*text - '0');
    }
    *out = n;
    return true;
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
    case KEY_FORCE:
        o->force = true;
        return 0;
    case KEY_EXPIRES:
        if (parse_duration(value, &o->expires_s)) return 0;
        return refuse(error, "--expires '%s' is no time from 1s to 365d, such as 30m, 12h or 7d", value);
    case KEY_USES:
        if (parse_count(value, QE_CLI_USES_MAX, &o->uses) && o->uses) return 0;
        return refuse(error, "--uses '%s' is no number from 1 to %d", value, QE_CLI_USES_MAX);
    case KEY_SALT:
        o->salt = value;
        if (strlen(value) <= QE_CLI_SALT_MAX) return 0;
        return refuse(error, "--salt has %zu bytes, expected at most %d", strlen(value), QE_CLI_SALT_MAX);
    case KEY_SEQ:
        o->has_seq = true;
        if (parse_sequence(value, &o->seq)) return 0;
        return refuse(error, "--seq '%s' is no number of at most 18 digits", value);
    case KEY_CAS:
        o->has_cas = true;
        if (parse_sequence(value, &o->cas)) return 0;
        return refuse(error, "--cas '%s' is no number of at most 18 digits", value);
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
static int parse_options(int argc, char **argv, struct qe_cli_options *o, uint64_t *seen, char error[QE_CLI_ERROR_SIZE])
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
        *seen |= UINT64_C(1) << (row - option_rows);
        if (apply(o, row, row->value ? optarg : NULL, error) != 0) return -1;
    }
    return 0;
}

// The command of one word, or of two, at argv[optind]; optind is behind it then. A first word without a second leaves
// its group. -1 with `error`.
static int parse_name(int argc, char **argv, struct qe_cli_options *o, char error[QE_CLI_ERROR_SIZE])
{
    const char *word = argv[optind++], *second = optind < argc ? argv[optind] : NULL;
    char name[64];
    o->command = strchr(word, ' ') ? QE_CLI_COMMAND_COUNT : qe_cli_command_find(word);
    if (o->command != QE_CLI_COMMAND_COUNT) return 0;
    if (!qe_cli_group_exists(word))
        return refuse(error, "there is no command '%.64s'; 'quicether --help' lists them", word);
    o->group = word;
    if (!second && o->help) return 0;
    if (!second) return refuse(error, "'quicether %s' wants to know what; see 'quicether %s --help'", word, word);
    snprintf(name, sizeof(name), "%s %.32s", word, second);
    o->command = qe_cli_command_find(name);
    if (o->command == QE_CLI_COMMAND_COUNT)
        return refuse(error, "there is no command '%s %.64s'; 'quicether %s --help' lists them", word, second, word);
    o->group = NULL;
    optind++;
    return 0;
}

// 'quicether help', and what may follow it.
static int parse_help(int argc, char **argv, struct qe_cli_options *o, char error[QE_CLI_ERROR_SIZE])
{
    if (optind == argc) return 0;
    struct qe_cli_options asked = {.help = true};
    o->argument = argv[optind];
    if (parse_name(argc, argv, &asked, error) != 0) return -1;
    if (optind < argc)
        return refuse(error, "'%.64s' is one argument too many; see 'quicether help --help'", argv[optind]);
    o->command = asked.command;
    o->group = asked.group;
    o->help = true;
    return 0;
}

static int parse_command(int argc, char **argv, struct qe_cli_options *o, char error[QE_CLI_ERROR_SIZE])
{
    bool version = o->command == QE_CLI_VERSION;
    if (optind < argc) {
        if (parse_name(argc, argv, o, error) != 0) return -1;
        if (version) o->command = QE_CLI_VERSION;
    } else if (o->help) {
        o->command = QE_CLI_HELP;
    } else if (!version) {
        return refuse(error, "a command is missing; 'quicether --help' lists them");
    }
    if (o->help) return 0;
    if (o->command == QE_CLI_HELP) return parse_help(argc, argv, o, error);
    const struct command_row *row = &command_rows[o->command];
    if (row->argument && optind < argc)
        o->argument = argv[optind++];
    else if (row->required)
        return refuse(
            error, "'quicether %s' wants a %s; see 'quicether %s --help'", row->name, row->argument, row->name);
    if (optind < argc && !version)
        return refuse(error, "'%.64s' is one argument too many; see 'quicether %s --help'", argv[optind], row->name);
    return 0;
}

int qe_cli_parse(int argc, char **argv, struct qe_cli_options *options, char error[QE_CLI_ERROR_SIZE])
{
    uint64_t seen = 0;
    *options = (struct qe_cli_options){
        .command = QE_CLI_COMMAND_COUNT, .count = 4, .interval_ms = 1000, .expires_s = 86400, .uses = 1};
    options->settings = calloc((size_t)argc + 1, sizeof(*options->settings));
    if (!options->settings) return refuse(error, "%s", strerror(ENOMEM));
    if (parse_options(argc, argv, options, &seen, error) != 0) return -1;
    if (parse_command(argc, argv, options, error) != 0) return -1;
    if (options->help) return 0;
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if ((seen & (UINT64_C(1) << i)) && !(option_rows[i].commands & ON(options->command)))
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
        char left[40];
        snprintf(left, sizeof(left), "%s %s", command_rows[i].name,
            command_rows[i].argument ? command_rows[i].argument : "");
        fprintf(out, "  %-18s %s\n", left, command_rows[i].help);
    }
    fputs("\n'quicether COMMAND --help' shows the options of a command.\n", out);
    help_statuses(out);
}

// The options that any of these commands takes.
static void help_options(unsigned commands, FILE *out)
{
    fputs("\noptions:\n", out);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        char left[40];
        if (!(option_rows[i].commands & commands)) continue;
        snprintf(left, sizeof(left), "--%s%s%s", option_rows[i].name, option_rows[i].value ? " " : "",
            option_rows[i].value ? option_rows[i].value : "");
        fprintf(out, "  %-23s %s\n", left, option_rows[i].help);
    }
    help_statuses(out);
}

void qe_cli_help(enum qe_cli_command command, FILE *out)
{
    if (command == QE_CLI_HELP || command == QE_CLI_COMMAND_COUNT) {
        help_program(out);
        return;
    }
    const struct command_row *row = &command_rows[command];
    fprintf(out, "usage: quicether %s%s%s [OPTION...]\n\n%s\n", row->name, row->argument ? " " : "",
        row->argument ? row->argument : "", row->help);
    help_options(ON(command), out);
}

void qe_cli_help_group(const char *name, FILE *out)
{
    unsigned commands = 0;
    fprintf(out, "usage: quicether %s COMMAND [OPTION...]\n\ncommands:\n", name);
    for (unsigned i = 0; i < QE_CLI_COMMAND_COUNT; i++) {
        char left[40];
        if (!in_group((enum qe_cli_command)i, name)) continue;
        commands |= ON(i);
        snprintf(left, sizeof(left), "%s %s", command_rows[i].name + strlen(name) + 1,
            command_rows[i].argument ? command_rows[i].argument : "");
        fprintf(out, "  %-14s %s\n", left, command_rows[i].help);
    }
    help_options(commands, out);
}
