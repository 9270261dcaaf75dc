// The command line as data: which commands there are, which options each takes, and what a given line asks for. Knows
// the form of a line; what a value means (an address, a peer) is judged where it is used.
#ifndef QE_CLI_OPTIONS_H
#define QE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum qe_cli_command {
    QE_CLI_START,
    QE_CLI_STOP,
    QE_CLI_STATUS,
    QE_CLI_PEERS,
    QE_CLI_ROUTES,
    QE_CLI_GATEWAYS,
    QE_CLI_RELAY,
    QE_CLI_NETCHECK,
    QE_CLI_PING,
    QE_CLI_NETWORK_NEW,
    QE_CLI_NETWORK_SHOW,
    QE_CLI_NETWORK_LEAVE,
    QE_CLI_INVITE,
    QE_CLI_JOIN,
    QE_CLI_DHT_STATUS,
    QE_CLI_DHT_NODES,
    QE_CLI_DHT_LOOKUP,
    QE_CLI_DHT_GET,
    QE_CLI_DHT_PUT,
    QE_CLI_CONFIG_GET,
    QE_CLI_CONFIG_SET,
    QE_CLI_CONFIG_SHOW,
    QE_CLI_ID,
    QE_CLI_VERSION,
    QE_CLI_HELP,
    QE_CLI_COMMAND_COUNT,
};

// Options that change a node's configuration, in the order of the command line.
enum qe_cli_setting_kind {
    QE_CLI_LISTEN,
    QE_CLI_TUN_NAME,
    QE_CLI_TUN_ADDR,
    QE_CLI_NAME,
    QE_CLI_PEER,
    QE_CLI_PEER_ALLOW,
    QE_CLI_LOG_LEVEL,
    QE_CLI_BOOTSTRAP,
    QE_CLI_BOOTSTRAP_MODE,
    QE_CLI_DHT_PORT,
    QE_CLI_PUBLIC_IP,
    QE_CLI_MAINLINE,
    QE_CLI_ADVERTISE_SUBNET,
    QE_CLI_ACCEPT_SUBNET,
    QE_CLI_NO_FORWARD,
    QE_CLI_NO_MASQUERADE,
    QE_CLI_NO_DNS,
    QE_CLI_ROLE,
    QE_CLI_GATEWAY_PREFER,
    QE_CLI_GATEWAY_ALLOW,
    QE_CLI_RELAY_ALLOW,
    QE_CLI_RELAY_EMERGENCY,
    QE_CLI_EXIT_NODE,
    QE_CLI_EXIT_LEAK,
    QE_CLI_NO_PORT_MAPPING,
};

struct qe_cli_setting {
    enum qe_cli_setting_kind kind;
    const char *option; // "--listen", for messages
    const char *value;  // NULL: it takes none
};

// The least room for a recording.
#define QE_CLI_RECORD_LIMIT_MIN (UINT64_C(1) << 20)

// Pings and ticks.
#define QE_CLI_COUNT_MAX       1000000
#define QE_CLI_INTERVAL_MS_MIN 10
#define QE_CLI_INTERVAL_MS_MAX 3600000

// Invitations.
#define QE_CLI_EXPIRES_S_MAX 31536000
#define QE_CLI_USES_MAX      1000

#define QE_CLI_SALT_MAX 64 // of BEP 44, in bytes

// Everything points into argv.
struct qe_cli_options {
    enum qe_cli_command command;
    bool help;         // show the help of `command` instead,
    const char *group; // or of the commands that begin with this word; NULL: none
    bool json, watch, detach, force;
    const char *control; // NULL: the default, as with the next two
    const char *state_dir;
    const char *config;
    const char *record;          // file to record to; NULL: none
    const char *record_to;       // public key to seal it to; NULL: not sealed
    uint64_t record_limit_bytes; // 0: any size
    const char *argument;  // ping: the peer; join: the invitation; dht lookup, get, put; config get: the key; config
                           // set: KEY=VALUE or NULL; help: a command, or NULL
    uint32_t expires_s;    // invite
    uint32_t uses;         // invite
    const char *salt;      // dht get and put; NULL: none
    bool has_seq, has_cas; // dht put
    int64_t seq, cas;
    uint32_t count;                  // ping: how many; 0: until interrupted
    uint32_t interval_ms;            // ping and watch
    struct qe_cli_setting *settings; // malloc'ed
    size_t setting_count;
};

#define QE_CLI_ERROR_SIZE 512

// 0, or -1 with one line in `error`. Give the options to qe_cli_options_fini in either case. argv may be permuted.
int qe_cli_parse(int argc, char **argv, struct qe_cli_options *options, char error[QE_CLI_ERROR_SIZE]);
void qe_cli_options_fini(struct qe_cli_options *options);

// The command of this name ("ping", "dht lookup"); QE_CLI_COMMAND_COUNT for none.
enum qe_cli_command qe_cli_command_find(const char *name);
// Whether commands of two words begin with this one ("dht").
bool qe_cli_group_exists(const char *name);
const char *qe_cli_command_name(enum qe_cli_command command);

// The help of one command; QE_CLI_HELP: of the whole program.
void qe_cli_help(enum qe_cli_command command, FILE *out);
// The help of all commands that begin with this word.
void qe_cli_help_group(const char *name, FILE *out);

#endif
