#include "cli/options.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What a line comes to, as text: "ping peer=home count=2", or "error: …".
static void outcome(const char *line, char *out, size_t size)
{
    static const char *const kinds[] = {"listen", "tun-name", "tun-addr", "name", "peer", "peer-allow", "log-level",
        "bootstrap", "bootstrap-mode", "dht-port", "public-ip", "mainline", "advertise-subnet", "accept-subnet",
        "no-forward", "no-masquerade", "no-dns", "role", "gateway-prefer", "gateway-allow", "relay-allow",
        "relay-emergency", "exit-node", "exit-leak", "no-port-mapping"};
    char copy[512], error[QE_CLI_ERROR_SIZE] = "";
    char *argv[32] = {(char *)"quicether"};
    int argc = 1;
    snprintf(copy, sizeof(copy), "%s", line);
    // '' stands for an empty word.
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
    struct qe_cli_options o;
    if (qe_cli_parse(argc, argv, &o, error) != 0) {
        snprintf(out, size, "error: %s", error);
        CU_ASSERT_PTR_NULL(strchr(error, '\n'));
        qe_cli_options_fini(&o);
        return;
    }
    size_t n = 0;
#define ADD(...) n += (size_t)snprintf(out + n, size - n, __VA_ARGS__)
    ADD("%s", o.group ? o.group : qe_cli_command_name(o.command));
    if (o.group) ADD(" group");
    if (o.help) ADD(" help");
    if (o.force) ADD(" force");
    if (o.expires_s != 86400) ADD(" expires_s=%u", o.expires_s);
    if (o.uses != 1) ADD(" uses=%u", o.uses);
    if (o.salt) ADD(" salt=%s", o.salt);
    if (o.has_seq) ADD(" seq=%lld", (long long)o.seq);
    if (o.has_cas) ADD(" cas=%lld", (long long)o.cas);
    if (o.json) ADD(" json");
    if (o.watch) ADD(" watch");
    if (o.detach) ADD(" detach");
    if (o.control) ADD(" control=%s", o.control);
    if (o.state_dir) ADD(" state-dir=%s", o.state_dir);
    if (o.config) ADD(" config=%s", o.config);
    if (o.argument) ADD(" argument=%s", o.argument);
    if (o.count != 4) ADD(" count=%u", o.count);
    if (o.interval_ms != 1000) ADD(" interval_ms=%u", o.interval_ms);
    for (size_t i = 0; i < o.setting_count; i++) {
        CU_ASSERT_STRING_EQUAL(o.settings[i].option, kinds[o.settings[i].kind]);
        ADD(" %s=%s", o.settings[i].option, o.settings[i].value ? o.settings[i].value : "yes");
    }
#undef ADD
    qe_cli_options_fini(&o);
}

static void each_line_means_what_it_says(void)
{
    static const struct {
        const char *line, *outcome;
    } rows[] = {
        {"start", "start"},
        {"start --detach", "start detach"},
        {"start --config f --state-dir d --control s", "start control=s state-dir=d config=f"},
        {"start --config=f --config=g", "start config=g"},
        {"start --listen 1.2.3.4:1 --name n --listen [::]:2", "start listen=1.2.3.4:1 name=n listen=[::]:2"},
        {"start --peer a@1.2.3.4:5 --peer b --peer-allow c --peer-allow=d",
            "start peer=a@1.2.3.4:5 peer=b peer-allow=c peer-allow=d"},
        {"start --tun-name t --tun-addr 10.0.0.1/8 --log-level debug",
            "start tun-name=t tun-addr=10.0.0.1/8 log-level=debug"},
        {"start --peer --detach", "start peer=--detach"},
        {"stop", "stop"},
        {"stop --json --control /s", "stop json control=/s"},
        {"status --watch", "status watch"},
        {"status --watch --interval 0.25 --json", "status json watch interval_ms=250"},
        {"--json status", "status json"},
        {"--control /s peers --watch", "peers watch control=/s"},
        {"routes --json", "routes json"},
        {"gateways --json", "gateways json"},
        {"relay", "relay"},
        {"ping home", "ping argument=home"},
        {"ping --count 2 home --interval=.5", "ping argument=home count=2 interval_ms=500"},
        {"ping --count 0 -- --odd", "ping argument=--odd count=0"},
        {"id --state-dir d --json", "id json state-dir=d"},
        {"version", "version"},
        {"version --json --control s", "version json control=s"},
        {"--version", "version"},
        {"-V", "version"},
        {"help", "help"},
        {"help ping", "ping help argument=ping"},
        {"help dht", "dht group help argument=dht"},
        {"help dht lookup", "dht lookup help argument=dht"},
        {"start --bootstrap a:1 --bootstrap b:2 --bootstrap-mode --dht-port 7 --public-ip 1.2.3.4 --mainline",
            "start bootstrap=a:1 bootstrap=b:2 bootstrap-mode=yes dht-port=7 public-ip=1.2.3.4 mainline=yes"},
        {"start --advertise-subnet 10.1.0.0/16 --accept-subnet none --no-forward --no-masquerade --no-dns",
            "start advertise-subnet=10.1.0.0/16 accept-subnet=none no-forward=yes no-masquerade=yes no-dns=yes"},
        {"start --role gateway --relay-allow nobody --relay-emergency --no-port-mapping",
            "start role=gateway relay-allow=nobody relay-emergency=yes no-port-mapping=yes"},
        {"start --gateway-prefer a --gateway-allow b --gateway-prefer c --exit-node d --exit-leak",
            "start gateway-prefer=a gateway-allow=b gateway-prefer=c exit-node=d exit-leak=yes"},
        {"network new --state-dir d --force", "network new force state-dir=d"},
        {"--json network show --control /s", "network show json control=/s"},
        {"network --force leave", "network leave force"},
        {"network --help", "network group help"},
        {"config get node.name --config f", "config get config=f argument=node.name"},
        {"config set --gateway-prefer a --json --control s", "config set json control=s gateway-prefer=a"},
        {"config set relay.rate=1Mbit/s", "config set argument=relay.rate=1Mbit/s"},
        {"config show --json", "config show json"},
        {"dht status", "dht status"},
        {"dht lookup 10.1.0.0/16 --json", "dht lookup json argument=10.1.0.0/16"},
        {"dht get 12 --salt x", "dht get salt=x argument=12"},
        {"dht put hello --salt x --seq 4 --cas 3", "dht put salt=x seq=4 cas=3 argument=hello"},
        {"invite", "invite"},
        {"invite --expires 90s --uses 3", "invite expires_s=90 uses=3"},
        {"invite --expires 30m", "invite expires_s=1800"},
        {"invite --expires 365d --uses 1000", "invite expires_s=31536000 uses=1000"},
        {"join qe1:abc --state-dir d", "join state-dir=d argument=qe1:abc"},
        {"--help", "help help"},
        {"-h", "help help"},
        {"ping --help", "ping help"},
        {"start -h --listen x", "start help listen=x"},
        // Mistakes
        {"", "error: a command is missing; 'quicether --help' lists them"},
        {"--json", "error: a command is missing; 'quicether --help' lists them"},
        {"fly", "error: there is no command 'fly'; 'quicether --help' lists them"},
        {"help fly", "error: there is no command 'fly'; 'quicether --help' lists them"},
        {"fly --help", "error: there is no command 'fly'; 'quicether --help' lists them"},
        {"dht", "error: 'quicether dht' wants to know what; see 'quicether dht --help'"},
        {"dht fly", "error: there is no command 'dht fly'; 'quicether dht --help' lists them"},
        {"config set --peer a", "error: 'quicether config set' takes no --peer; see 'quicether config set --help'"},
        {"config get", "error: 'quicether config get' wants a KEY; see 'quicether config get --help'"},
        {"dht lookup", "error: 'quicether dht lookup' wants a TARGET; see 'quicether dht lookup --help'"},
        {"dht status x", "error: 'x' is one argument too many; see 'quicether dht status --help'"},
        {"dht nodes --salt x", "error: 'quicether dht nodes' takes no --salt; see 'quicether dht nodes --help'"},
        {"dht get 12 --seq 1", "error: 'quicether dht get' takes no --seq; see 'quicether dht get --help'"},
        {"dht put x --seq 1234567890123456789", "error: --seq '1234567890123456789' is no number of at most 18 digits"},
        {"dht put x --cas -1", "error: --cas '-1' is no number of at most 18 digits"},
        {"network new --control s",
            "error: 'quicether network new' takes no --control; see 'quicether network new --help'"},
        {"invite --expires 0d", "error: --expires '0d' is no time from 1s to 365d, such as 30m, 12h or 7d"},
        {"invite --expires 366d", "error: --expires '366d' is no time from 1s to 365d, such as 30m, 12h or 7d"},
        {"invite --expires 12", "error: --expires '12' is no time from 1s to 365d, such as 30m, 12h or 7d"},
        {"invite --expires h", "error: --expires 'h' is no time from 1s to 365d, such as 30m, 12h or 7d"},
        {"invite --expires 1hh", "error: --expires '1hh' is no time from 1s to 365d, such as 30m, 12h or 7d"},
        {"invite --uses 0", "error: --uses '0' is no number from 1 to 1000"},
        {"invite --uses 1001", "error: --uses '1001' is no number from 1 to 1000"},
        {"join", "error: 'quicether join' wants a LINE; see 'quicether join --help'"},
        {"start --mainline=1", "error: --mainline takes no value"},
        {"status now", "error: 'now' is one argument too many; see 'quicether status --help'"},
        {"ping", "error: 'quicether ping' wants a PEER; see 'quicether ping --help'"},
        {"ping a b", "error: 'b' is one argument too many; see 'quicether ping --help'"},
        {"status --flap", "error: unknown option '--flap'; see 'quicether --help'"},
        {"status --flap=1", "error: unknown option '--flap'; see 'quicether --help'"},
        {"status -x", "error: unknown option '-x'; see 'quicether --help'"},
        {"status --json=1", "error: --json takes no value"},
        {"start --version=1", "error: --version takes no value"},
        {"start --peer", "error: --peer wants a value: --peer ID@ADDR:PORT"},
        {"start --peer ''", "error: --peer wants a value: --peer ID@ADDR:PORT"},
        {"start --state-dir=", "error: --state-dir wants a value: --state-dir DIR"},
        {"stop --detach", "error: 'quicether stop' takes no --detach; see 'quicether stop --help'"},
        {"routes --watch", "error: 'quicether routes' takes no --watch; see 'quicether routes --help'"},
        {"start --json", "error: 'quicether start' takes no --json; see 'quicether start --help'"},
        {"id --listen 1.2.3.4:5", "error: 'quicether id' takes no --listen; see 'quicether id --help'"},
        {"ping a --count x", "error: --count 'x' is no number from 0 to 1000000"},
        {"ping a --count -1", "error: --count '-1' is no number from 0 to 1000000"},
        {"ping a --count 1000001", "error: --count '1000001' is no number from 0 to 1000000"},
        {"ping a --count 99999999999", "error: --count '99999999999' is no number from 0 to 1000000"},
        {"ping a --interval 0", "error: --interval '0' is no number of seconds from 0.01 to 3600"},
        {"ping a --interval 0.009", "error: --interval '0.009' is no number of seconds from 0.01 to 3600"},
        {"ping a --interval 3600.001", "error: --interval '3600.001' is no number of seconds from 0.01 to 3600"},
        {"ping a --interval .", "error: --interval '.' is no number of seconds from 0.01 to 3600"},
        {"ping a --interval 1.2345", "error: --interval '1.2345' is no number of seconds from 0.01 to 3600"},
        {"ping a --interval 1e3", "error: --interval '1e3' is no number of seconds from 0.01 to 3600"},
        {"st\x1b[2Jop", "error: there is no command 'st?[2Jop'; 'quicether --help' lists them"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[1024] = "";
        outcome(rows[i].line, out, sizeof(out));
        CU_ASSERT_STRING_EQUAL(out, rows[i].outcome);
        if (strcmp(out, rows[i].outcome) != 0)
            fprintf(stderr, "'%s'\n  expected %s\n  got      %s\n", rows[i].line, rows[i].outcome, out);
    }
}

static char *help_of(enum qe_cli_command command)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    qe_cli_help(command, out);
    fclose(out);
    return text;
}

static void the_help_names_every_command_and_exit_status(void)
{
    char *text = help_of(QE_CLI_HELP);
    for (unsigned i = 0; i < QE_CLI_COMMAND_COUNT; i++) {
        char needle[64];
        snprintf(needle, sizeof(needle), "\n  %s ", qe_cli_command_name((enum qe_cli_command)i));
        CU_ASSERT_PTR_NOT_NULL(strstr(text, needle));
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nexit status:\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n  3  no daemon answers on the control socket\n"));
    free(text);
}

// What a command's help offers, its parser takes; and what it does not offer, it refuses.
static void helps_and_parsers_agree(void)
{
    static const char *const all[] = {"config", "state-dir", "control", "listen", "tun-name", "tun-addr", "name",
        "peer", "peer-allow", "log-level", "detach", "watch", "count", "interval", "json", "bootstrap",
        "bootstrap-mode", "dht-port", "public-ip", "mainline", "advertise-subnet", "accept-subnet", "no-forward",
        "no-masquerade", "no-dns", "uses", "force", "salt", "seq", "cas", "role", "gateway-prefer", "gateway-allow",
        "relay-allow", "relay-emergency", "exit-node", "exit-leak", "no-port-mapping"};
    static const char flags[] = " detach watch json bootstrap-mode mainline no-forward no-masquerade no-dns force "
                                "relay-emergency exit-leak no-port-mapping ";
    for (unsigned command = 0; command < QE_CLI_COMMAND_COUNT; command++) {
        char *text = help_of((enum qe_cli_command)command);
        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
            char option[32], value[64], word[64], needle[64], error[QE_CLI_ERROR_SIZE] = "";
            snprintf(option, sizeof(option), "--%s", all[i]);
            snprintf(needle, sizeof(needle), "\n  %s ", option);
            bool offered = strstr(text, needle) != NULL;
            snprintf(value, sizeof(value), "1");
            snprintf(word, sizeof(word), "%s", qe_cli_command_name((enum qe_cli_command)command));
            char flag[40];
            snprintf(flag, sizeof(flag), " %s ", all[i]);
            char *argv[8] = {(char *)"quicether", word}, *second = strchr(word, ' ');
            int argc = 2;
            if (second) {
                *second = '\0';
                argv[argc++] = second + 1;
            }
            argv[argc++] = option;
            if (!strstr(flags, flag)) argv[argc++] = value;
            bool wants = command == QE_CLI_PING || command == QE_CLI_JOIN || command == QE_CLI_DHT_LOOKUP ||
                         command == QE_CLI_DHT_GET || command == QE_CLI_DHT_PUT || command == QE_CLI_CONFIG_GET;
            if (wants) argv[argc++] = value;
            struct qe_cli_options o;
            CU_ASSERT_EQUAL(qe_cli_parse(argc, argv, &o, error) == 0, offered);
            qe_cli_options_fini(&o);
        }
        free(text);
    }
}

static const struct unit_case cases[] = {
    {"each line means what it says", each_line_means_what_it_says},
    {"the help names every command and exit status", the_help_names_every_command_and_exit_status},
    {"helps and parsers agree", helps_and_parsers_agree},
};
UNIT_MAIN("options", cases)
