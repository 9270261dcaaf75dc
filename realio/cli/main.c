// quicether: the daemon and its command line.
#include "cli/ask.h"
#include "cli/config.h"
#include "cli/dht.h"
#include "cli/id.h"
#include "cli/network.h"
#include "cli/start.h"
#include "dirs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void version(const struct qe_cli_options *options)
{
    // With --json and a daemon, one document says both.
    if (!options->json)
        printf("quicether " QUICETHER_VERSION "\n");
    else if (!options->control)
        printf("{\"version\":\"" QUICETHER_VERSION "\"}\n");
}

static int client(const struct qe_cli_options *options, int (*command)(const struct qe_cli_world *))
{
    struct qe_dirs dirs;
    struct qe_fault fault;
    struct qe_cli_world world = {.options = options, .control = options->control, .out = stdout, .err = stderr};
    if (!world.control) {
        if (qe_dirs_default(&dirs, &fault) != 0) {
            fprintf(stderr, "quicether: %s\n", fault.text);
            return QE_EXIT_USAGE;
        }
        world.control = dirs.control;
    }
    return command(&world);
}

static int run(const struct qe_cli_options *options)
{
    if (options->help && options->group) {
        qe_cli_help_group(options->group, stdout);
        return QE_EXIT_OK;
    }
    if (options->help) {
        qe_cli_help(options->command, stdout);
        return QE_EXIT_OK;
    }
    switch (options->command) {
    case QE_CLI_START:
        return qe_cli_start(options);
    case QE_CLI_STOP:
        return client(options, qe_cli_stop);
    case QE_CLI_PING:
        return client(options, qe_cli_ping);
    case QE_CLI_NETWORK_NEW:
        return qe_cli_network_new(options, stdout, stderr);
    case QE_CLI_NETWORK_LEAVE:
        return qe_cli_network_leave(options, stdout, stderr);
    case QE_CLI_NETWORK_SHOW:
        return client(options, qe_cli_network_show);
    case QE_CLI_INVITE:
        return client(options, qe_cli_invite);
    case QE_CLI_JOIN:
        return client(options, qe_cli_join);
    case QE_CLI_DHT_STATUS:
    case QE_CLI_DHT_NODES:
    case QE_CLI_DHT_LOOKUP:
    case QE_CLI_DHT_GET:
    case QE_CLI_DHT_PUT:
        return client(options, qe_cli_dht);
    case QE_CLI_CONFIG_GET:
        return client(options, qe_cli_config_get);
    case QE_CLI_CONFIG_SET:
        return client(options, qe_cli_config_set);
    case QE_CLI_CONFIG_SHOW:
        return client(options, qe_cli_config_show);
    case QE_CLI_ID:
        return options->control ? client(options, qe_cli_ask) : qe_cli_id(options, stdout, stderr);
    case QE_CLI_VERSION:
        version(options);
        return options->control ? client(options, qe_cli_ask) : QE_EXIT_OK;
    case QE_CLI_HELP:
        qe_cli_help(QE_CLI_HELP, stdout);
        return QE_EXIT_OK;
    default:
        return client(options, qe_cli_ask);
    }
}

int main(int argc, char **argv)
{
    struct qe_cli_options options;
    char error[QE_CLI_ERROR_SIZE];
    int status = QE_EXIT_USAGE;
    if (qe_cli_parse(argc, argv, &options, error) == 0)
        status = run(&options);
    else
        fprintf(stderr, "quicether: %s\n", error);
    qe_cli_options_fini(&options);
    // Half an answer must not look like a whole one.
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "quicether: cannot write to standard output: %s\n", strerror(errno));
        if (status == QE_EXIT_OK) status = QE_EXIT_FAILED;
    }
    return status;
}
