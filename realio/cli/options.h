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
    QE_CLI_PING,
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
};

struct qe_cli_setting {
    enum qe_cli_setting_kind kind;
    const char *option; // "--listen", for messages
    const char *value;
};

// The least room for a recording.
#define QE_CLI_RECORD_LIMIT_MIN (UINT64_C(1) << 20)

// Pings and ticks.
#define QE_CLI_COUNT_MAX       1000000
#define QE_CLI_INTERVAL_MS_MIN 10
#define QE_CLI_INTERVAL_MS_MAX 3600000

// Everything points into argv.
struct qe_cli_options {
    enum qe_cli_command command;
    bool help; // show the help of `command` instead
    bool json, watch, detach;
    const char *control; // NULL: the default, as with the next two
    const char *state_dir;
    const char *config;
    const char *record;              // file to record to; NULL: none
    const char *record_to;           // public key to seal it to; NULL: not sealed
    uint64_t record_limit_bytes;     // 0: any size
    const char *argument;            // ping: the peer; help: a command, or NULL
    uint32_t count;                  // ping: how many; 0: until interrupted
    uint32_t interval_ms;            // ping and watch
    struct qe_cli_setting *settings; // malloc'ed
    size_t setting_count;
};

#define QE_CLI_ERROR_SIZE 512

// 0, or -1 with one line in `error`. Give the options to qe_cli_options_fini in either case. argv may be permuted.
int qe_cli_parse(int argc, char **argv, struct qe_cli_options *options, char error[QE_CLI_ERROR_SIZE]);
void qe_cli_options_fini(struct qe_cli_options *options);

// The command of this name; QE_CLI_COMMAND_COUNT for none.
enum qe_cli_command qe_cli_command_find(const char *name);
const char *qe_cli_command_name(enum qe_cli_command command);

// The help of one command; QE_CLI_HELP: of the whole program.
void qe_cli_help(enum qe_cli_command command, FILE *out);

#endif
