// The client commands against the real control server, run by a process with a node of a few lines.
#include "cli/ask.h"
#include "cli/dht.h"
#include "cli/network.h"
#include "control/control.h"
#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STATUS                                                                                                         \
    "{\"node_id\":\"qeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"version\":\"0.1.0\",\"state\":\"up\","                      \
    "\"tun\":{\"name\":\"quicether0\",\"addresses\":[\"100.64.0.1/"                                                    \
    "16\"]},\"peers\":{\"configured\":1,\"connected\":1},"                                                             \
    "\"paths\":{\"active\":1}}"
#define STATUS_TEXT                                                                                                    \
    "Node ID: qeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nTUN Interface: quicether0 (100.64.0.1)\nConnected Peers: 1\n"        \
    "Active Paths: 1\n"

#define NETCHECK                                                                                                       \
    "{\"checking\":false,\"age_ms\":2140,\"joined\":true,\"udp_blocked\":false,\"seen_at\":[\"203.0.113.5:9000\"],"    \
    "\"nat\":{"                                                                                                        \
    "\"present\":true,\"mapping\":\"endpoint-independent\",\"filtering\":null,\"ports\":\"preserved\",\"port_"         \
    "preservation\":"                                                                                                  \
    "true,\"hairpinning\":false,\"idle_lasts_s\":90,\"idle_ends_s\":180,\"addresses\":[\"203.0.113.5\"]},"             \
    "\"interfaces\":[{"                                                                                                \
    "\"name\":\"eth0\",\"addresses\":[\"192.168.1.2\"],\"port_mappings\":[{\"port\":9000,\"state\":\"granted\","       \
    "\"protocol\":"                                                                                                    \
    "\"PCP\",\"external\":\"203.0.113.5:9000\",\"public\":true,\"ends_in_s\":1100,\"reason\":null}]},{\"name\":"       \
    "\"eth1\","                                                                                                        \
    "\"addresses\":[\"10.0.0.2\",\"fd00::2\"],\"port_mappings\":[{\"port\":9000,\"state\":\"no-gateway\",\"reason\":"  \
    "\"no gateway on that interface\"}]}],\"path_mtus\":[{\"node_id\":\"qehome\",\"name\":\"home\",\"mtu\":1500}],"    \
    "\"connecting\":{\"with\":\"anybody\",\"text\":\"Others connect.\"}}"
#define NETCHECK_TEXT                                                                                                  \
    "UDP: works\nSeen at: 203.0.113.5:9000\nBehind a NAT: yes\nMapping: endpoint-independent\nFiltering: unknown\n"    \
    "Ports outside: preserved\nPort preservation: yes\nHairpinning: no\n"                                              \
    "Idle mappings last: at least 90 s, less than 180 s\nExternal addresses: 203.0.113.5\n"                            \
    "Interface eth0: 192.168.1.2; port 9000 is mapped at 203.0.113.5:9000 by PCP\n"                                    \
    "Interface eth1: 10.0.0.2, fd00::2; port 9000 is not mapped: no gateway on that interface\n"                       \
    "Path MTU to home: 1500\nConnecting: Others connect.\n"

// Two invitations without places, which differ in their tokens.
#define GOOD    "qe1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8BAQEBAQEBAQEBAQEBAQEBAOgBV6s"
#define USED_UP "qe1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8CAgICAgICAgICAgICAgICACNNJSg"

static char path[64];
static pid_t daemon_pid;
static struct qe_control *control;
static bool stopping;
static unsigned pings, netchecks;

static void on_command(void *user, const struct qe_command *command)
{
    (void)user;
    int status = 200;
    const char *body = "{}";
    char answer[512];
    switch (command->verb) {
    case QE_COMMAND_STATUS:
        body = STATUS;
        break;
    case QE_COMMAND_PEERS:
        body = "{\"peers\":[]}";
        break;
    case QE_COMMAND_ROUTES:
        body = "{\"routes\":[]}";
        break;
    case QE_COMMAND_METRICS:
        body = "{\"metrics\":[]}";
        break;
    case QE_COMMAND_STOP:
        status = 202;
        body = "{\"stopping\":true}";
        stopping = true;
        break;
    case QE_COMMAND_GATEWAYS:
        body = "{\"behind_nat\":true,\"gateways\":[]}";
        break;
    case QE_COMMAND_NETCHECK:
        body = netchecks++ == 0 ? "{\"checking\":true}" : NETCHECK;
        break;
    case QE_COMMAND_RELAY:
        body = "{\"relays\":false}";
        break;
    case QE_COMMAND_PING:
        pings++;
        if (strcmp(command->argument, "home") == 0) {
            body = pings % 2 ? "{\"peer\":\"qehome\",\"rtt_us\":1000}" : "{\"peer\":\"qehome\",\"rtt_us\":3000}";
        } else if (strcmp(command->argument, "away") == 0) {
            status = 409;
            body = "{\"error\":\"away is not connected\"}";
        } else {
            status = 404;
            body = "{\"error\":\"there is no such peer\"}";
        }
        break;
    case QE_COMMAND_INVITE:
        snprintf(answer, sizeof(answer), "{\"invitation\":\"qe1:%s\"}", strchr(command->argument, '=') + 1);
        body = answer;
        break;
    case QE_COMMAND_JOIN:
        status = strcmp(command->argument, GOOD) == 0 ? 200 : 410;
        body = status == 200 ? "{\"joined\":true,\"network_id\":\"5b1d20c07a6e3f94\"}"
                             : "{\"error\":\"the invitation is used up\"}";
        break;
    case QE_COMMAND_DHT_STATUS:
        body = "{\"dhts\":[]}";
        break;
    case QE_COMMAND_DHT_NODES:
        body = "{\"nodes\":[]}";
        break;
    case QE_COMMAND_DHT_LOOKUP:
        body = strcmp(command->argument, "home") == 0
                   ? "{\"kind\":\"name\",\"found\":true,\"owners\":[{\"node_id\":\"qehome\"}],\"hops\":1}"
                   : "{\"kind\":\"name\",\"found\":false,\"owners\":[]}";
        break;
    case QE_COMMAND_DHT_GET:
    case QE_COMMAND_DHT_PUT:
        // What was asked, back as the text.
        snprintf(answer, sizeof(answer), "{\"found\":true,\"text\":\"%.200s\",\"target\":\"%.200s\",\"stored\":%d}",
            command->argument, command->argument, strncmp(command->argument, "6e6f", 4) != 0);
        body = answer;
        break;
    default:
        status = 501;
        break;
    }
    qe_control_reply(control, command->id, status, qe_span(body, strlen(body)));
}

// `linger_ms`: how long the process takes to end once it was told to stop.
_Noreturn static void be_daemon(int ready, int linger_ms)
{
    char error[256] = "";
    struct qe_control_options options = {.socket_path = path, .command = on_command};
    alarm(60);
    control = qe_control_open(&options, error, sizeof(error));
    if (!control || write(ready, "x", 1) != 1) _exit(1);
    while (!stopping) {
        struct pollfd fd = {.fd = qe_control_fd(control), .events = POLLIN};
        int64_t ms = qe_control_timeout_ms(control);
        poll(&fd, 1, ms < 0 ? 1000 : (int)ms);
        qe_control_ready(control);
    }
    qe_control_close(control);
    nanosleep(&(struct timespec){linger_ms / 1000, linger_ms % 1000 * 1000000L}, NULL);
    _exit(0);
}

static void start(int linger_ms)
{
    int ready[2];
    char byte;
    snprintf(path, sizeof(path), "/tmp/qe-ask-%ld.sock", (long)getpid());
    CU_ASSERT_EQUAL_FATAL(pipe(ready), 0);
    fflush(NULL);
    daemon_pid = fork();
    if (daemon_pid == 0) be_daemon(ready[1], linger_ms);
    close(ready[1]);
    CU_ASSERT_EQUAL_FATAL(read(ready[0], &byte, 1), 1);
    close(ready[0]);
}

static void reap(void)
{
    kill(daemon_pid, SIGKILL);
    waitpid(daemon_pid, NULL, 0);
    unlink(path);
}

struct run {
    int status;
    char *out, *err;
};

static struct run run(int (*command)(const struct qe_cli_world *), const char *line)
{
    char copy[256], error[QE_CLI_ERROR_SIZE] = "";
    char *argv[16] = {(char *)"quicether"};
    int argc = 1;
    struct run r = {0};
    size_t out_size, err_size;
    struct qe_cli_options options;
    snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    CU_ASSERT_EQUAL_FATAL(qe_cli_parse(argc, argv, &options, error), 0);
    FILE *out = open_memstream(&r.out, &out_size), *err = open_memstream(&r.err, &err_size);
    struct qe_cli_world world = {.options = &options, .control = path, .out = out, .err = err};
    r.status = command(&world);
    fclose(out);
    fclose(err);
    qe_cli_options_fini(&options);
    return r;
}

static void check(
    int (*command)(const struct qe_cli_world *), const char *line, int status, const char *out, const char *err)
{
    struct run r = run(command, line);
    CU_ASSERT_EQUAL(r.status, status);
    CU_ASSERT_STRING_EQUAL(r.out, out);
    CU_ASSERT_STRING_EQUAL(r.err, err);
    if (r.status != status || strcmp(r.out, out) != 0 || strcmp(r.err, err) != 0)
        fprintf(stderr, "'%s': status %d\n%s\n%s\n", line, r.status, r.out, r.err);
    free(r.out);
    free(r.err);
}

static void what_the_daemon_says_is_shown_or_passed_on(void)
{
    start(0);
    check(qe_cli_ask, "status", 0, STATUS_TEXT, "");
    check(qe_cli_ask, "status --json", 0, STATUS "\n", "");
    check(qe_cli_ask, "peers", 0, "NodeID | Address | RTT | Status\n", "");
    check(qe_cli_ask, "peers --json", 0, "{\"peers\":[]}\n", "");
    check(qe_cli_ask, "routes", 0, "Destination | Next Hop | Interface\n", "");
    check(qe_cli_ask, "gateways", 0,
        "Gateway | State | RTT (ms) | Why | Peers\n"
        "No gateway: others reach this node, which is behind a NAT, only where they can do so directly\n",
        "");
    check(qe_cli_ask, "relay", 0, "This node does not relay for others\n", "");
    check(qe_cli_ask, "netcheck", 0, NETCHECK_TEXT, "");
    check(qe_cli_ask, "netcheck --json", 0, NETCHECK "\n", "");
    check(qe_cli_ask, "id", 0, "qeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", "");
    check(qe_cli_ask, "id --json", 0, "{\"node_id\":\"qeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}\n", "");
    check(qe_cli_ask, "version", 0, "daemon: quicether 0.1.0\n", "");
    check(
        qe_cli_ask, "version --json", 0, "{\"version\":\"" QUICETHER_VERSION "\",\"daemon_version\":\"0.1.0\"}\n", "");
    reap();
}

static void pings_are_counted_and_summed_up(void)
{
    start(0);
    check(qe_cli_ping, "ping home --count 3 --interval 0.01", 0,
        "qehome: seq=1 time=1.0 ms\nqehome: seq=2 time=3.0 ms\nqehome: seq=3 time=1.0 ms\n"
        "3 sent, 3 answered, rtt min/avg/max 1.0/1.6/3.0 ms\n",
        "");
    check(qe_cli_ping, "ping home --count 1 --json", 0, "{\"peer\":\"qehome\",\"rtt_us\":3000}\n", "");
    check(qe_cli_ping, "ping away --count 2 --interval 0.01", 1,
        "away: seq=1 away is not connected\naway: seq=2 away is not connected\n2 sent, 0 answered\n", "");
    check(qe_cli_ping, "ping away --count 1 --json", 1, "{\"error\":\"away is not connected\"}\n", "");
    check(qe_cli_ping, "ping nobody", 1, "", "quicether: there is no such peer\n");
    check(qe_cli_ping, "ping a&peer=home", 1, "", "quicether: there is no such peer\n");
    reap();
}

#define EFFORT "0 hops, 0 queries, 0 unanswered, 0.00 ms\n"

static void the_dht_is_asked_in_its_own_words(void)
{
    start(0);
    check(qe_cli_dht, "dht status", 0, "DHT: off\n", "");
    check(qe_cli_dht, "dht nodes --json", 0, "{\"nodes\":[]}\n", "");
    check(qe_cli_dht, "dht lookup home", 0, "qehome\n1 hops, 0 queries, 0 unanswered, 0.00 ms\n", "");
    check(qe_cli_dht, "dht lookup nobody", 1, "Not found\n" EFFORT, "");
    check(qe_cli_dht, "dht lookup nobody --json", 1, "{\"kind\":\"name\",\"found\":false,\"owners\":[]}\n", "");
    check(qe_cli_dht, "dht get 0123456789012345678901234567890123456789", 0,
        "Text: 0123456789012345678901234567890123456789\n" EFFORT, "");
    check(qe_cli_dht, "dht get 0123456789012345678901234567890123456789 --salt no", 0,
        "Text: 0123456789012345678901234567890123456789 salt=6e6f\n" EFFORT, "");
    check(qe_cli_dht, "dht get 01", 2, "", "quicether: the target is no item's, expected 40 hexadecimal digits\n");
    check(qe_cli_dht, "dht put hi", 0, "Target: 6869\nStored on: 1 nodes\n" EFFORT, "");
    check(qe_cli_dht, "dht put no", 1, "Target: 6e6f\nStored on: 0 nodes\n" EFFORT, "");
    check(qe_cli_dht, "dht put hi --salt s --cas 3 --seq 4", 0,
        "Target: 6869 salt=73 seq=4 cas=3\nStored on: 1 nodes\n" EFFORT, "");
    check(qe_cli_dht, "dht lookup h\xc3\xb6me", 2, "",
        "quicether: the target is none, expected a node ID, a name, an overlay address, a subnet or 40 hexadecimal "
        "digits\n");
    check(qe_cli_dht, "dht put hi --cas 3", 2, "",
        "quicether: --seq and --cas are for mutable items, which have a --salt\n");
    reap();
}

static void an_invitation_is_one_line_and_joining_says_how_it_went(void)
{
    start(0);
    check(qe_cli_invite, "invite", 0, "qe1:86400 uses=1\n", "");
    check(qe_cli_invite, "invite --uses 3 --expires 2h", 0, "qe1:7200 uses=3\n", "");
    check(qe_cli_join, "join " GOOD, 0, "Joined network 5b1d20c07a6e3f94\n", "");
    check(qe_cli_join, "join " USED_UP, 1, "", "quicether: the invitation is used up\n");
    check(qe_cli_join, "join qe1:AAAA", 2, "", "quicether: that is no invitation, or not all of it\n");
    check(qe_cli_join, "join bad", 2, "",
        "quicether: that is no invitation: one begins with qe1: and is what 'quicether invite' prints\n");
    check(qe_cli_network_show, "network show", 0, "Network: none\n", "");
    check(qe_cli_network_show, "network show --json", 0, "{\"network_id\":null}\n", "");
    reap();
}

static void without_a_daemon_the_exit_status_is_3(void)
{
    char err[256];
    snprintf(path, sizeof(path), "/tmp/qe-ask-%ld.none", (long)getpid());
    snprintf(err, sizeof(err),
        "quicether: no daemon answers on %s; start it with 'quicether start' or name its socket with --control\n",
        path);
    check(qe_cli_ask, "status", 3, "", err);
    check(qe_cli_ask, "peers --watch", 3, "", err);
    check(qe_cli_ask, "routes --json", 3, "", err);
    check(qe_cli_ping, "ping home", 3, "", err);
    check(qe_cli_stop, "stop", 3, "", err);
    check(qe_cli_dht, "dht status", 3, "", err);
    check(qe_cli_invite, "invite", 3, "", err);
}

// Runs the command in a process of its own, interrupts it after a while and returns what it said.
static struct run run_interrupted(int (*command)(const struct qe_cli_world *), const char *line, int ms)
{
    static char out[1 << 16];
    int pipe_fds[2], status;
    size_t used = 0;
    struct run r = {.out = out};
    CU_ASSERT_EQUAL_FATAL(pipe(pipe_fds), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(30);
        struct run inner = run(command, line);
        (void)!write(pipe_fds[1], inner.out, strlen(inner.out));
        _exit(inner.status);
    }
    close(pipe_fds[1]);
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
    kill(child, SIGINT);
    for (ssize_t n; used < sizeof(out) - 1 && (n = read(pipe_fds[0], out + used, sizeof(out) - 1 - used)) > 0;)
        used += (size_t)n;
    out[used] = 0;
    close(pipe_fds[0]);
    waitpid(child, &status, 0);
    r.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return r;
}

static void watching_and_endless_pings_end_cleanly_when_interrupted(void)
{
    start(0);
    struct run r = run_interrupted(qe_cli_ask, "status --watch --json --interval 0.05", 600);
    CU_ASSERT_EQUAL(r.status, 0);
    size_t lines = 0;
    for (const char *at = r.out; *at; at += strlen(STATUS "\n"), lines++)
        CU_ASSERT_FATAL(strncmp(at, STATUS "\n", strlen(STATUS "\n")) == 0);
    CU_ASSERT(lines >= 2);

    r = run_interrupted(qe_cli_ask, "status --watch --interval 3600", 600);
    CU_ASSERT_EQUAL(r.status, 0);
    CU_ASSERT_STRING_EQUAL(r.out, STATUS_TEXT);

    r = run_interrupted(qe_cli_ping, "ping home --count 0 --interval 0.05", 600);
    CU_ASSERT_EQUAL(r.status, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, " answered, rtt min/avg/max 1.0/"));
    reap();
}

static void watching_goes_on_while_the_daemon_is_away(void)
{
    start(0);
    fflush(NULL);
    pid_t killer = fork();
    if (killer == 0) {
        nanosleep(&(struct timespec){0, 300000000}, NULL);
        kill(daemon_pid, SIGKILL);
        _exit(0);
    }
    struct run r = run_interrupted(qe_cli_ask, "status --watch --json --interval 0.05", 900);
    CU_ASSERT_EQUAL(r.status, 0);
    CU_ASSERT(strncmp(r.out, STATUS "\n", strlen(STATUS "\n")) == 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out, "\n{\"error\":\"no daemon answers on "));
    waitpid(killer, NULL, 0);
    reap();
}

static void stop_returns_when_the_process_is_gone(void)
{
    start(500);
    // What waits for the daemon is init or a service manager, at once; here it is this process, from the background.
    signal(SIGCHLD, SIG_IGN);
    check(qe_cli_stop, "stop", 0, "stopped\n", "");
    CU_ASSERT_EQUAL(kill(daemon_pid, 0), -1);
    CU_ASSERT_EQUAL(errno, ESRCH);
    signal(SIGCHLD, SIG_DFL);
    unlink(path);
    start(0);
    signal(SIGCHLD, SIG_IGN);
    check(qe_cli_stop, "stop --json", 0, "{\"stopped\":true}\n", "");
    signal(SIGCHLD, SIG_DFL);
}

static const struct unit_case cases[] = {
    {"what the daemon says is shown or passed on", what_the_daemon_says_is_shown_or_passed_on},
    {"pings are counted and summed up", pings_are_counted_and_summed_up},
    {"the DHT is asked in its own words", the_dht_is_asked_in_its_own_words},
    {"an invitation is one line, and joining says how it went", an_invitation_is_one_line_and_joining_says_how_it_went},
    {"without a daemon the exit status is 3", without_a_daemon_the_exit_status_is_3},
    {"watching and endless pings end cleanly when interrupted",
        watching_and_endless_pings_end_cleanly_when_interrupted},
    {"watching goes on while the daemon is away", watching_goes_on_while_the_daemon_is_away},
    {"stop returns when the process is gone", stop_returns_when_the_process_is_gone},
};
UNIT_MAIN("ask", cases)
