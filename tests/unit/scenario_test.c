// Reading scenarios: what a right one says, and every kind of mistake with its line.
#include "engine/memory.h"
#include "host/configs.h"
#include "host/host.h"
#include "scenario/scenario.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

// Pieces of files, and the line that comes after each.
#define HEAD  "[scenario]\nname = \"s\"\nduration = \"10s\"\n"                    // 4
#define HOSTS "[[host]]\nname = \"a\"\npeers = [\"b\"]\n[[host]]\nname = \"b\"\n" // 9 after HEAD
#define BASE  HEAD HOSTS "[[link]]\nbetween = [\"a\", \"b\"]\n"                   // 11
#define FLOW  BASE "[[flow]]\nkind = \"ping\"\nfrom = \"a\"\nto = \"b\"\n"        // 15

static char error[SIM_ERROR_SIZE];

static struct sim_scenario *parse(const char *text)
{
    error[0] = '\0';
    return sim_scenario_parse("f.toml", text, strlen(text), error);
}

// The first mistake of a scenario, or of its configurations; "" for none.
static const char *mistake(const char *text)
{
    struct sim_scenario *scenario = parse(text);
    if (!scenario) return error;
    struct qe_config *configs = sim_configs_new(scenario, 1, 0, error);
    if (configs) sim_configs_free(configs, scenario);
    sim_scenario_free(scenario);
    return error;
}

static const struct {
    const char *text, *error;
} mistakes[] = {
    {"", "f.toml:1: the file has no 'scenario'; expected a table"},
    {"x = \n",
        "f.toml:1: no value after '=' or ',', expected a string in quotes, a number, true, false, an array or a table"},
    {"[scenario]\nname = \"s\"\n", "f.toml:1: [scenario] has no 'duration'; expected one such as \"30s\""},
    {"[scenario]\nduration = \"1s\"\n", "f.toml:1: [scenario] has no 'name'; expected one"},
    {"[scenario]\nname = \"No Name\"\nduration = \"1s\"\n",
        "f.toml:2: 'name' is \"No Name\"; expected a name of a-z, 0-9, _ and -, at most 63 characters"},
    {"[scenario]\nname = 5\n", "f.toml:2: 'name' is an integer; expected a string"},
    {"[scenario]\nname = \"s\"\nduration = \"1 second\"\n",
        "f.toml:3: 'duration' is \"1 second\"; expected a duration such as \"15ms\" or \"1.5s\""},
    {"[scenario]\nname = \"s\"\nduration = 10\n",
        "f.toml:3: 'duration' is an integer; expected a duration such as \"15ms\" or \"1.5s\""},
    {"scenario = 1\n", "f.toml:1: 'scenario' is an integer; expected a table"},
    {HEAD, "f.toml:1: no [[host]]; expected at least one"},
    {HEAD "speed = 3\n", "f.toml:4: unknown key 'speed' in [scenario]; expected name, description, duration, "
                         "wall_clock_ms, seed, calm, recovers"},
    {HEAD "[hosts]\n", "f.toml:4: unknown key 'hosts' in the file; expected scenario, host, link, dns, at, trigger, "
                       "faults, flow, expect"},
    {HEAD "seed = -1\n" HOSTS, "f.toml:4: 'seed' must be an integer that is not negative"},
    {HEAD "[[host]]\npeers = []\n", "f.toml:4: [[host]] has no 'name'; expected one"},
    {HEAD HOSTS "[[host]]\nname = \"a\"\n", "f.toml:9: there is a host \"a\" already; expected another name"},
    {HEAD "[[host]]\nname = \"a\"\npeers = [\"c\"]\n",
        "f.toml:6: 'peers' has \"c\"; expected another host with a node, as \"name\" or \"name@address:port\""},
    {HEAD "[[host]]\nname = \"a\"\npeers = [\"a\"]\n",
        "f.toml:6: 'peers' has \"a\"; expected another host with a node, as \"name\" or \"name@address:port\""},
    {HEAD "[[host]]\nname = \"a\"\npeers = [\"b\", \"b\"]\n[[host]]\nname = \"b\"\n",
        "f.toml:6: 'peers' has \"b\", which is there already; expected each once"},
    {HEAD "[[host]]\nname = \"a\"\npeers = [\"b@10.0.0.1\"]\n[[host]]\nname = \"b\"\n",
        "f.toml:6: 'peers' has \"b@10.0.0.1\"; expected another host with a node, as \"name\" or "
        "\"name@address:port\""},
    {HEAD "[[host]]\nname = \"a\"\nallow = [\"b@10.0.0.1:1\"]\n[[host]]\nname = \"b\"\n",
        "f.toml:6: 'allow' has \"b@10.0.0.1:1\"; expected another host with a node"},
    {HEAD "[[host]]\nname = \"a\"\npeers = \"b\"\n[[host]]\nname = \"b\"\n",
        "f.toml:6: 'peers' is a string; expected an array"},
    {HEAD HOSTS, "f.toml:6: peers: there is no address at which to dial \"b\"; expected a link to it"},
    {HEAD "[[host]]\nname = \"a\"\nrouter = 1\n", "f.toml:6: 'router' is an integer; expected true or false"},
    {HEAD "[[host]]\nname = \"a\"\nrouter = true\nstart = \"1s\"\n",
        "f.toml:4: router \"a\" has keys of a node; expected only those of the network"},
    {HEAD "[[host]]\nname = \"a\"\nmemory = \"1 pound\"\n",
        "f.toml:6: 'memory' is \"1 pound\"; expected bytes such as 1500, \"1500B\" or \"64KiB\""},
    {HEAD "[[host]]\nname = \"a\"\nclock_offset = \"1.5ms\"\n",
        "f.toml:6: 'clock_offset' is \"1.5ms\"; expected whole milliseconds such as \"1h\" or \"-90s\""},
    {HEAD "[[host]]\nname = \"a\"\nroutes = [{to = \"10.2.0.0/16\", by = \"10.0.0.9\"}]\n",
        "f.toml:6: unknown key 'by' in a route; expected to, via"},
    {HEAD "[[host]]\nname = \"a\"\nroutes = [{to = \"10.2.0.0/16\", via = \"fd00::1\"}]\n",
        "f.toml:6: 'via' is no address of the family of 'to'"},
    {HEAD "[[host]]\nname = \"a\"\nroutes = [{to = \"10.2.0.0/40\", via = \"10.0.0.1\"}]\n",
        "f.toml:6: 'to' is no prefix; expected one such as \"10.2.0.0/16\""},
    {HEAD "[[host]]\nname = \"a\"\n[host.config.network]\nmtu = 9000\n",
        "f.toml:7: network.mtu is 9000, expected 1280..1420"},
    {HEAD "[[host]]\nname = \"a\"\n[host.config.network]\nmtuu = 1400\n",
        "f.toml:7: network.mtuu is unknown, did you mean network.mtu?"},
    {HEAD "[[host]]\nname = \"a\"\n[host.config.peers]\nallowed = [\"nobody@\"]\n",
        "f.toml:7: peers.allowed[0] is \"nobody@\", expected a node ID or a name"},
    {HEAD HOSTS "[[link]]\n", "f.toml:9: [[link]] has no 'between'; expected an array"},
    {HEAD HOSTS "[[link]]\nbetween = [\"a\"]\n", "f.toml:10: 'between' has 1 hosts; expected at least 2"},
    {HEAD HOSTS "[[link]]\nbetween = [\"a\", \"a\"]\n",
        "f.toml:10: 'between' has \"a\" twice; expected each host once"},
    {HEAD HOSTS "[[link]]\nbetween = [\"a\", \"c\"]\n", "f.toml:10: 'between' is \"c\"; expected a host's name"},
    {BASE "[[link]]\nbetween = [\"a\", \"b\"]\n",
        "f.toml:11: there is a link \"a-b\" already; expected another 'name'"},
    {BASE "rate = \"10\"\n", "f.toml:11: 'rate' is \"10\"; expected a rate such as \"10Mbit/s\", or \"unlimited\""},
    {BASE "rate = \"0bit/s\"\n",
        "f.toml:11: 'rate' is \"0bit/s\"; expected a rate such as \"10Mbit/s\", or \"unlimited\""},
    {BASE "delay = 15\n", "f.toml:11: 'delay' is an integer; expected a duration such as \"15ms\" or \"1.5s\""},
    {BASE "loss = \"1\"\n", "f.toml:11: 'loss' is \"1\"; expected a share such as \"0.5%\", at most \"100%\""},
    {BASE "reorder = \"yes\"\n", "f.toml:11: 'reorder' is a string; expected true or false"},
    {BASE "queue = \"many\"\n",
        "f.toml:11: 'queue' is \"many\"; expected \"25packets\", \"64KiB\", \"50ms\" or \"unlimited\""},
    {BASE "queue = \"0packets\"\n",
        "f.toml:11: 'queue' is \"0packets\"; expected \"25packets\", \"64KiB\", \"50ms\" or \"unlimited\""},
    {BASE "mtu = 100\n", "f.toml:11: 'mtu' is 100; expected 576 to 65535 bytes"},
    {BASE "overhead = -1\n", "f.toml:11: 'overhead' must be an integer that is not negative"},
    {BASE "from.c = {delay = \"1s\"}\n", "f.toml:11: 'from.c' is about no host of this link"},
    {BASE "from.a = {speed = \"1s\"}\n", "f.toml:11: unknown key 'speed' in 'from'; expected rate, rate_timeline, "
                                         "rate_repeat, rate_trace, delay, jitter, jitter_model, "
                                         "loss, loss_bursts, reorder, late, duplicate, corrupt, checksum, queue, "
                                         "codel, mark_above, mtu, icmp, overhead"},
    {BASE "subnets = [\"10.0.0.0/31\"]\n", "f.toml:11: the subnet is too small for 2 hosts"},
    {BASE "subnets = [\"ten\"]\n", "f.toml:11: \"ten\" is no subnet; expected one such as \"192.0.2.0/24\""},
    {BASE "addresses.c = [\"10.0.0.1/24\"]\n",
        "f.toml:11: 'addresses.c' is not a list of addresses of one of the link's hosts"},
    {BASE "addresses.a = [\"10.0.0.256/24\"]\n",
        "f.toml:11: \"10.0.0.256/24\" is no address; expected one with its prefix, such as \"192.0.2.1/24\""},
    {BASE "[[at]]\nlink = \"a-b\"\ndown = true\n", "f.toml:11: [[at]] has no 'time'; expected one such as \"10s\""},
    {BASE "[[at]]\ntime = \"1s\"\n", "f.toml:11: [[at]] must have either 'link' or 'host'"},
    {BASE "[[at]]\ntime = \"1s\"\nlink = \"b-a\"\ndown = true\n",
        "f.toml:13: 'link' is \"b-a\"; expected a link's name"},
    {BASE "[[at]]\ntime = \"1s\"\nlink = \"a-b\"\nhost = \"a\"\n",
        "f.toml:11: [[at]] must have either 'link' or 'host'"},
    {BASE "[[at]]\ntime = \"1s\"\nlink = \"a-b\"\ndown = true\nup = true\n",
        "f.toml:11: [[at]] says 2 things; expected one: down, up, blackhole, or new settings"},
    {BASE "[[at]]\ntime = \"1s\"\nlink = \"a-b\"\ndown = false\n", "f.toml:14: 'down' must be true"},
    {BASE "[[at]]\ntime = \"1s\"\nlink = \"a-b\"\nstop = true\n", "f.toml:14: 'stop' is not for a link"},
    {BASE "[[at]]\ntime = \"1s\"\nhost = \"a\"\nrate = \"1Mbit/s\"\n",
        "f.toml:11: [[at]] changes a link's settings, but names no link"},
    {BASE "[[at]]\ntime = \"1s\"\nlink = \"a-b\"\nfrom = \"c\"\ndown = true\n",
        "f.toml:14: 'from' is \"c\"; expected a host's name"},
    {BASE "[[at]]\ntime = \"1s\"\nhost = \"a\"\nclock = \"soon\"\n",
        "f.toml:14: 'clock' is \"soon\"; expected whole milliseconds such as \"1h\" or \"-90s\""},
    {FLOW "[[expect]]\nflow = \"ping-a-b\"\nmeasure = \"lost\"\nmax = 1\nsometimes = false\n",
        "f.toml:19: 'sometimes' is neither true nor a share; expected one, such as \"20%\""},
    {BASE "[[expect]]\nconnected = [\"a\", \"b\"]\nalways = true\nwithin = \"1s\"\n",
        "f.toml:14: 'within' stands beside 'always'; expected one of them"},
    {HEAD "recovers = \"5s\"\n" HOSTS, "f.toml:4: 'recovers' without 'calm'; expected both"},
    {HEAD "calm = \"5s\"\n" HOSTS,
        "f.toml:4: 'calm' and 'recovers' are longer than the duration; expected at most as long"},
    {HEAD "calm = \"5s\"\nrecovers = \"5s\"\n" HOSTS "[[at]]\ntime = \"6s\"\nhost = \"a\"\nstop = true\n",
        "f.toml:11: it is not over when 'calm' begins; expected everything before"},
    {HEAD "calm = \"5s\"\nrecovers = \"5s\"\n" HOSTS "[[at]]\ntime = \"4s\"\nhost = \"a\"\nstall = \"2s\"\n",
        "f.toml:11: it is not over when 'calm' begins; expected everything before"},
    {BASE "[[at]]\ntime = \"11s\"\nhost = \"a\"\nstop = true\n", "f.toml:11: 'time' is beyond the scenario's duration"},
    {FLOW "[[flow]]\nkind = \"ping\"\nfrom = \"a\"\nto = \"b\"\n",
        "f.toml:15: there is a flow \"ping-a-b\" already; expected another 'name'"},
    {FLOW "stop = \"11s\"\n", "f.toml:11: the flow must start before it stops, within the scenario's duration"},
    {FLOW "start = \"5s\"\nstop = \"5s\"\n",
        "f.toml:11: the flow must start before it stops, within the scenario's duration"},
    {FLOW "size = 20\n", "f.toml:11: 'size' is 20; expected 68 to 9000 bytes of IP packet"},
    {FLOW "ip = 5\n", "f.toml:15: 'ip' is 5; expected 4 or 6"},
    {FLOW "source = \"fd00::1\"\n", "f.toml:15: 'source' is \"fd00::1\"; expected an IPv4 address"},
    {FLOW "batch = 2\n", "f.toml:15: 'batch' does not belong to a flow of kind \"ping\""},
    {BASE "[[flow]]\nkind = \"tcp\"\nfrom = \"a\"\nto = \"b\"\n",
        "f.toml:12: 'kind' is \"tcp\"; expected \"ping\", \"udp\", \"bulk\", \"request\", \"pcap\" or \"plain\""},
    {BASE "[[flow]]\nkind = \"udp\"\nfrom = \"a\"\nto = \"b\"\n",
        "f.toml:11: the flow has no pace; expected 'rate' or 'interval'"},
    {BASE "[[flow]]\nkind = \"udp\"\nfrom = \"a\"\nto = \"b\"\nrate = \"1Mbit/s\"\ninterval = \"1s\"\n",
        "f.toml:11: the flow has 'rate' and 'interval'; expected one of them"},
    {BASE "[[flow]]\nkind = \"udp\"\nfrom = \"a\"\nto = \"b\"\nrate = \"900Gbit/s\"\nsize = 100\n",
        "f.toml:15: 'rate' is \"900Gbit/s\", more than a batch a nanosecond"},
    {BASE "[[flow]]\nkind = \"udp\"\nfrom = \"a\"\nto = \"b\"\nrate = \"1Mbit/s\"\nsize = 2000\nbatch = 40\noffload = "
          "true\n",
        "f.toml:11: 'batch' is 40; expected at most 64 packets, and with 'offload' 65535 bytes"},
    {BASE "[[flow]]\nkind = \"udp\"\nfrom = \"a\"\nrate = \"1Mbit/s\"\n",
        "f.toml:11: [[flow]] has no 'to'; expected a string"},
    {BASE "[[flow]]\nkind = \"ping\"\nfrom = \"a\"\nto = \"a\"\n", "f.toml:11: the flow is from \"a\" to itself"},
    {FLOW "[[expect]]\nmeasure = \"lost\"\n", "f.toml:15: [[expect]] must have one of 'flow', 'link', 'host', "
                                              "'connected', 'disconnected', 'never_connected', 'trigger', 'point', "
                                              "'crossing'"},
    {FLOW "[[expect]]\nflow = \"f\"\nmeasure = \"lost\"\nis = 0\n",
        "f.toml:16: 'flow' is \"f\"; expected a flow's name"},
    {FLOW "[[expect]]\nflow = \"ping-a-b\"\nmeasure = \"speed\"\nis = 0\n",
        "f.toml:17: 'measure' is \"speed\"; a flow has sent, delivered, lost, lost_share, duplicated, reordered, "
        "refused, too_big, latency_min, latency_p50, latency_p90, latency_p99, latency_max, latency_mean, first, "
        "gap_max, rate, bytes, completion, retransmits, connections"},
    {FLOW "[[expect]]\nflow = \"ping-a-b\"\nmeasure = \"lost\"\n",
        "f.toml:15: [[expect]] has no bound; expected 'min', 'max' or 'is'"},
    {FLOW "[[expect]]\nflow = \"ping-a-b\"\nmeasure = \"lost\"\nmin = 2\nmax = 1\n", "f.toml:15: 'min' is above 'max'"},
    {FLOW "[[expect]]\nflow = \"ping-a-b\"\nmeasure = \"lost\"\nmin = 2\nis = 1\n",
        "f.toml:19: 'is' stands beside 'min' or 'max'; expected only one"},
    {FLOW "[[expect]]\nflow = \"ping-a-b\"\nmeasure = \"latency_p50\"\nmax = 1\n",
        "f.toml:18: 'max' is an integer; expected a duration such as \"15ms\" or \"1.5s\""},
    {FLOW "[[expect]]\nflow = \"ping-a-b\"\nmeasure = \"lost_share\"\nmax = 1\n",
        "f.toml:18: 'max' is an integer; expected a share such as \"0.5%\", at most \"100%\""},
    {FLOW "[[expect]]\nflow = \"ping-a-b\"\nmeasure = \"lost\"\nis = 0\nafter = \"10s\"\n",
        "f.toml:15: 'after' must be earlier than 'before' and the end"},
    {FLOW "[[expect]]\nlink = \"a-b\"\nmeasure = \"lost\"\nis = 0\n",
        "f.toml:17: 'measure' is \"lost\"; a link has entered, entered_bytes, delivered, dropped_queue, dropped_loss, "
        "dropped_mtu, dropped_down, dropped_burst, dropped_codel, dropped_checksum, dropped, duplicated, "
        "corrupted, marked, queue_peak"},
    {FLOW "[[expect]]\nhost = \"a\"\nis = 0\n",
        "f.toml:15: [[expect]] of a host must have one of 'measure', 'log', 'event', 'counter'"},
    {FLOW "[[expect]]\nhost = \"a\"\nlog = \"x\"\nevent = \"y\"\nis = 0\n",
        "f.toml:15: [[expect]] of a host must have one of 'measure', 'log', 'event', 'counter'"},
    {FLOW "[[expect]]\nhost = \"a\"\nlog = \"x\"\n",
        "f.toml:15: [[expect]] has no bound; expected 'min', 'max' or 'is'"},
    {FLOW "[[expect]]\nconnected = [\"a\"]\nwithin = \"1s\"\n", "f.toml:16: 'connected' has 1 hosts; expected 2"},
    {FLOW "[[expect]]\nconnected = [\"a\", \"b\"]\n", "f.toml:15: 'connected' has no 'within'; expected a duration"},
    {FLOW "[[expect]]\nnever_connected = [\"a\", \"b\"]\nwithin = \"1s\"\n",
        "f.toml:17: 'within' does not belong to 'never_connected'"},
    {FLOW "[[expect]]\ncrossing = [\"a\", \"b\"]\n", "f.toml:15: 'crossing' has no 'within'; expected a duration"},
    {FLOW "[[expect]]\ncrossing = [\"a\", \"b\"]\nby = \"direct\"\n", "f.toml:17: 'by' does not belong to 'crossing'"},
    {FLOW "[[expect]]\nconnected = [\"a\", \"b\"]\nwithin = \"1s\"\nby = \"foot\"\n",
        "f.toml:18: 'by' is \"foot\"; expected \"direct\" or \"gateway\""},
    {FLOW "[[expect]]\nconnected = [\"a\", \"a\"]\nwithin = \"1s\"\n",
        "f.toml:16: 'connected' has one host twice; expected two"},
    {FLOW "[[expect]]\nconnected = [\"a\", \"b\"]\nwithin = \"1s\"\nmax = 3\n",
        "f.toml:18: 'max' does not belong to 'connected'"},
    {FLOW "[[expect]]\nhost = \"a\"\nlog = \"x\"\nis = 1\nwithin = \"1s\"\n",
        "f.toml:19: 'within' does not belong to an expectation of a host"},
    {FLOW "[[expect]]\nlink = \"a-b\"\nmeasure = \"entered\"\nis = 1\nafter = \"2s\"\n",
        "f.toml:19: 'after' does not belong to an expectation of a link"},
    {BASE "addresses.a = [\"10.0.0.2/24\"]\n", "f.toml:9: 10.0.0.2 is on the link twice; expected each address once"},
    {HEAD "[[host]]\nname = \"a\"\nroutes = [{to = \"10.2.0.0/16\", via = \"10.9.0.1\"}]\n",
        "f.toml:4: route via 10.9.0.1, which is on no link of \"a\""},
    {HEAD "[[host]]\nname = \"a\"\n[[host]]\nname = \"r\"\nrouter = true\n[[link]]\nbetween = [\"a\", "
          "\"r\"]\n[[flow]]\nkind = \"ping\"\nfrom = \"a\"\nto = \"r\"\n",
        "f.toml:14: 'to' has no node; expected a host with a node"},
    {HEAD "[[host]]\nname = \"r\"\nrouter = true\n[[at]]\ntime = \"1s\"\nhost = \"r\"\nstop = true\n",
        "f.toml:9: \"r\" has no node; expected a host with a node"},
    {BASE "[[at]]\ntime = \"1s\"\nhost = \"a\"\nfrom = \"a\"\nstop = true\n", "f.toml:14: 'from' is not for a host"},
    {BASE "[faults]\npoints = [\"early\"]\n",
        "f.toml:12: no fault point 'early'; expected batch-of-one, control-bytewise, control-"
        "unknown, early-refused, early-timer, flush-each, force-fragments, force-retry, hello-"
        "extra, initial-refused, key-update, new-connection-id, no-delivery-buffer, queue-full, "
        "retry-later, publish-later, redial, ticket-lost"},
    {BASE "[faults]\npoints = \"some\"\n", "f.toml:12: 'points' is \"some\"; expected a list, or \"all\""},
    {BASE "[faults]\nchance = \"1%\"\n", "f.toml:11: [faults] has no 'points'; expected a list, or \"all\""},
    {BASE "[faults]\npoints = \"all\"\nhosts = [\"x\"]\n", "f.toml:13: 'hosts' is \"x\"; expected a host's name"},
    {BASE "[faults]\npoints = \"all\"\nafter = \"2s\"\nbefore = \"1s\"\n",
        "f.toml:11: 'after' must be earlier than 'before'"},
    {BASE "[[expect]]\npoint = 1\nis = 1\n", "f.toml:12: 'points' is an integer; expected a string"},
    {BASE "[[trigger]]\ndrop = true\n", "f.toml:11: [[trigger]] has no 'on'; expected a table"},
    {BASE "[[trigger]]\non = {message = \"helo\"}\ndrop = true\n",
        "f.toml:12: no message 'helo'; expected any, initial, zero-rtt, handshake, retry, version-negotiation, "
        "one-rtt, "
        "ack, ping, crypto, ticket, path-challenge, path-response, new-connection-id, retire-connection-id, "
        "handshake-done, mtu-probe, stateless-reset, goodbye, close, control, hello, proof, join, welcome, packet, "
        "fragment, relayed, echo, "
        "echo-reply, krpc, probe"},
    {BASE "[[trigger]]\non = {from = \"a\"}\ndrop = true\n",
        "f.toml:12: 'on' has no 'message'; expected one such as \"hello\", or \"any\""},
    {BASE "[[trigger]]\non = {message = \"any\", count = 0}\ndrop = true\n",
        "f.toml:12: 'count', 'every' and 'times' count from 1"},
    {BASE "[[trigger]]\non = {message = \"any\", times = \"often\"}\ndrop = true\n",
        "f.toml:12: 'times' is \"often\"; expected a number or \"always\""},
    {BASE "[[trigger]]\non = {message = \"any\"}\n",
        "f.toml:11: [[trigger]] says 0 things; expected one: drop, delay, duplicate, corrupt, or what [[at]] has"},
    {BASE "[[trigger]]\non = {message = \"any\"}\ndrop = false\n", "f.toml:13: 'drop' must be true"},
    {BASE "[[trigger]]\non = {message = \"any\"}\nrate = \"1Mbit/s\"\n",
        "f.toml:13: 'rate' does not belong to a trigger about the message (it names no link and no host)"},
    {BASE "[[trigger]]\non = {message = \"any\"}\nhost = \"a\"\ncrash = true\ndrop = true\n",
        "f.toml:15: 'drop' is for the message; expected no link, host or partition beside it"},
    {BASE "[[expect]]\ntrigger = \"x\"\nis = 1\n", "f.toml:12: 'trigger' is \"x\"; expected a trigger's name"},
    {BASE "[[at]]\ntime = \"1s\"\nlink = \"a-b\"\nleave = true\n",
        "f.toml:11: [[at]] must have both 'link' and 'host'"},
    {BASE "[[at]]\ntime = \"1s\"\nlink = \"a-b\"\nhost = \"a\"\nleave = true\ncrash = true\n",
        "f.toml:16: 'crash' is not for a host on a link"},
    {BASE "[[at]]\ntime = \"1s\"\nhost = \"a\"\ncrash_at_write = 0\n",
        "f.toml:14: 'crash_at_write' is 0; expected 1 or more"},
    {BASE "[[at]]\ntime = \"1s\"\nhost = \"a\"\nfail_allocation = -1\n",
        "f.toml:14: 'fail_allocation' must be an integer that is not negative"},
    {BASE "[[at]]\ntime = \"1s\"\nhost = \"a\"\nclock_drift = \"100001ppm\"\n",
        "f.toml:14: 'clock_drift' is \"100001ppm\"; expected \"50ppm\" or \"-50ppm\", at most 100000 either way"},
    {BASE "[[at]]\ntime = \"1s\"\nhost = \"a\"\nstall = \"1s\"\nfor = \"1s\"\n",
        "f.toml:15: 'for' does not go with 'stall'"},
    {BASE "[[at]]\ntime = \"1s\"\nhost = \"a\"\ncorrupt_state = \"a*b\"\n",
        "f.toml:14: 'corrupt_state' is \"a*b\"; expected a key, or its beginning and *, such as \"peer/*\""},
    {BASE "[[at]]\ntime = \"1s\"\npartition = {and = [\"b\"]}\n",
        "f.toml:13: 'partition' has no 'between'; expected a list of hosts"},
    {BASE "[[at]]\ntime = \"1s\"\npartition = {between = [\"c\"]}\n",
        "f.toml:13: 'between' is \"c\"; expected a host's name"},
    {BASE "[[at]]\ntime = \"1s\"\npartition = {between = []}\n", "f.toml:13: 'between' has 0 hosts; expected 1 to 2"},
    {BASE "[[at]]\ntime = \"1s\"\npartition = {between = [\"a\"], with = [\"b\"]}\n",
        "f.toml:13: unknown key 'with' in 'partition'; expected between, and, one_way, heal"},
    {BASE "[[at]]\ntime = \"1s\"\nhost = \"a\"\nroam = {from = \"a-b\"}\n",
        "f.toml:14: 'roam' has no 'to'; expected a string"},
    {BASE "[[at]]\ntime = \"1s\"\nlink = \"a-b\"\nhost = \"a\"\naddresses = [\"10.0.0.1/99\"]\n",
        "f.toml:15: \"10.0.0.1/99\" is no address; expected one with its prefix, such as \"192.0.2.1/24\""},
    {FLOW "[[expect]]\nflow = \"ping-a-b\"\nmeasure = \"too_big\"\nis = 1\nafter = \"2s\"\n",
        "f.toml:17: 'too_big' is of the whole run; expected neither 'after' nor 'before'"},
    {FLOW "[[expect]]\nhost = \"a\"\ncounter = \"x\"\nis = 1\nafter = \"2s\"\n",
        "f.toml:15: a counter is of the whole run; expected neither 'after' nor 'before'"},
    {FLOW "[[expect]]\nhost = \"a\"\nmeasure = \"starts\"\nis = 1\nbefore = \"2s\"\n",
        "f.toml:17: 'starts' is of the whole run; expected neither 'after' nor 'before'"},
    {FLOW "[[expect]]\nflow = \"ping-a-b\"\nfrom = \"a\"\nmeasure = \"lost\"\nis = 1\n",
        "f.toml:17: 'from' does not belong to an expectation of a flow"},
    {BASE "[[flow]]\nkind = \"plain\"\nfrom = \"a\"\nto = \"b\"\n",
        "f.toml:11: the flow has no pace; expected 'rate' or 'interval'"},
    {BASE "[[flow]]\nkind = \"plain\"\nfrom = \"a\"\nto = \"b\"\ninterval = \"1s\"\nports = 0\n",
        "f.toml:16: 'ports' is 0; expected 1 to 20000"},
    {BASE "[[flow]]\nkind = \"plain\"\nfrom = \"a\"\nto = \"b\"\ninterval = \"1s\"\naddress = \"[::1]:5\"\n",
        "f.toml:16: 'address' is \"[::1]:5\"; expected an IPv4 address with a port"},
    {BASE "[dns]\n\"x.example\" = 5\n", "f.toml:12: \"x.example\" stands for no host, address, or list of these"},
    {BASE "[dns]\n\"x.example\" = [\"nobody\"]\n", "f.toml:12: 'x.example' is \"nobody\"; expected a host's name"},
    {BASE "[[flow]]\nkind = \"udp\"\nfrom = \"a\"\nto = \"b\"\ninterval = \"1s\"\nports = 2\n",
        "f.toml:16: 'ports' does not belong to a flow of kind \"udp\""},
};

static void every_mistake_is_told_with_its_line(void)
{
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        const char *got = mistake(mistakes[i].text);
        CU_ASSERT_STRING_EQUAL(got, mistakes[i].error);
        if (strcmp(got, mistakes[i].error) != 0)
            fprintf(stderr, "case %zu\n     got: %s\nexpected: %s\n", i, got, mistakes[i].error);
    }
}

// A file with every table that, cut anywhere or with any byte changed, is read or refused, and never more.
static const char whole[] = FLOW
    "interval = \"100ms\"\n[[flow]]\nkind = \"udp\"\nfrom = \"b\"\nto = \"a\"\nrate = \"1Mbit/s\"\nbatch = 4\noffload "
    "= true\n"
    "[[at]]\ntime = \"1s\"\nlink = \"a-b\"\nrate = \"5Mbit/s\"\n[[at]]\ntime = \"2s\"\nhost = \"b\"\nclock = \"-1h\"\n"
    "[[expect]]\nflow = \"ping-a-b\"\nmeasure = \"latency_p99\"\nmax = \"1s\"\n"
    "[[expect]]\nconnected = [\"a\", \"b\"]\nwithin = \"1s\"\n"
    "[[expect]]\nhost = \"a\"\nlog = \"x\"\nmin = 1\n";

static void broken_files_are_read_or_refused(void)
{
    static char text[sizeof(whole)];
    struct unit_random random = unit_random();
    size_t refused = 0;
    CU_ASSERT_STRING_EQUAL(mistake(whole), "");
    for (size_t size = 0; size < sizeof(whole); size++) {
        memcpy(text, whole, size);
        text[size] = '\0';
        refused += mistake(text)[0] != '\0';
    }
    CU_ASSERT(refused > 100);
    for (int i = 0; i < 3000; i++) {
        memcpy(text, whole, sizeof(whole));
        text[unit_random_below(&random, sizeof(whole) - 1)] = (char)(1 + unit_random_below(&random, 255));
        mistake(text);
        CU_ASSERT(error[0] == '\0' || strncmp(error, "f.toml:", 7) == 0);
    }
}

static void a_link_has_its_defaults(void)
{
    struct sim_scenario *s = parse(BASE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    const struct sim_scenario_link *link = &s->links[0];
    CU_ASSERT_STRING_EQUAL(link->name, "a-b");
    for (size_t i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(link->settings[i].rate_bits, 0);
        CU_ASSERT_EQUAL(link->settings[i].delay_ns, 0);
        CU_ASSERT_EQUAL(link->settings[i].mtu, 1500);
        CU_ASSERT_EQUAL(link->settings[i].queue_ns, 50000000);
        CU_ASSERT_EQUAL(link->settings[i].loss_ppb, 0);
    }
    sim_scenario_free(s);
}

static void one_direction_can_be_another(void)
{
    struct sim_scenario *s = parse(BASE "rate = \"10Mbit/s\"\ndelay = \"5ms\"\nqueue = \"25packets\"\n"
                                        "from.b = {rate = \"1Mbit/s\", loss = \"2%\", queue = \"64KiB\"}\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    const struct sim_pipe_settings *a = &s->links[0].settings[0], *b = &s->links[0].settings[1];
    CU_ASSERT(a->rate_bits == 10000000 && a->delay_ns == 5000000 && a->loss_ppb == 0 && a->queue_packets == 25);
    CU_ASSERT(b->rate_bits == 1000000 && b->delay_ns == 5000000 && b->loss_ppb == 20000000);
    CU_ASSERT(b->queue_packets == 0 && b->queue_bytes == 65536);
    sim_scenario_free(s);
}

static bool has_address(const struct sim_scenario_link *link, size_t port, const char *text)
{
    char out[QE_ADDR_TEXT_SIZE];
    for (size_t i = 0; i < link->address_count; i++)
        if (link->addresses[i].port == port && strcmp(qe_cidr_format(&link->addresses[i].cidr, out), text) == 0)
            return true;
    return false;
}

static void addresses_are_given_counted_or_automatic(void)
{
    struct sim_scenario *s =
        parse(BASE "[[link]]\nname = \"two\"\nbetween = [\"a\", \"b\"]\n"
                   "[[link]]\nname = \"three\"\nbetween = [\"b\", \"a\"]\n"
                   "subnets = [\"192.0.2.0/24\", \"2001:db8::/64\"]\n"
                   "[[link]]\nname = \"four\"\nbetween = [\"a\", \"b\"]\nsubnets = [\"192.0.2.0/29\"]\n"
                   "addresses.a = [\"192.0.2.6/29\", \"192.0.2.5/29\"]\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT(has_address(&s->links[0], 0, "10.0.0.1/24") && has_address(&s->links[0], 1, "fd00::2/64"));
    CU_ASSERT(has_address(&s->links[1], 1, "10.0.1.2/24") && has_address(&s->links[1], 0, "fd00:0:0:1::1/64"));
    CU_ASSERT(has_address(&s->links[2], 0, "192.0.2.1/24") && has_address(&s->links[2], 1, "2001:db8::2/64"));
    CU_ASSERT_EQUAL(s->links[2].address_count, 4);
    CU_ASSERT(has_address(&s->links[3], 0, "192.0.2.6/29") && has_address(&s->links[3], 0, "192.0.2.5/29"));
    CU_ASSERT(has_address(&s->links[3], 1, "192.0.2.2/29"));
    CU_ASSERT_EQUAL(s->links[3].address_count, 3);
    sim_scenario_free(s);
}

static void the_timeline_is_by_time_and_then_as_written(void)
{
    struct sim_scenario *s = parse(BASE "[[at]]\ntime = \"2s\"\nhost = \"a\"\nstop = true\n"
                                        "[[at]]\ntime = \"1s\"\nlink = \"a-b\"\ndown = true\n"
                                        "[[at]]\ntime = \"2s\"\nhost = \"a\"\nstart = true\n"
                                        "[[at]]\ntime = \"1s\"\nhost = \"b\"\nclock = \"-1h\"\n");
    static const enum sim_at_kind kinds[] = {SIM_AT_LINK_DOWN, SIM_AT_HOST_CLOCK, SIM_AT_HOST_STOP, SIM_AT_HOST_START};
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT_EQUAL_FATAL(s->at_count, 4);
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(s->ats[i].kind, kinds[i]);
    CU_ASSERT_EQUAL(s->ats[1].clock_ms, -3600000);
    sim_scenario_free(s);
}

static void a_rate_becomes_an_interval(void)
{
    // 4 packets of 1250 bytes at 10 Mbit/s.
    struct sim_scenario *s = parse(BASE "[[flow]]\nkind = \"udp\"\nfrom = \"a\"\nto = \"b\"\nrate = \"10Mbit/s\"\n"
                                        "size = 1250\nbatch = 4\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT_EQUAL(s->flows[0].interval_ns, 4000000);
    CU_ASSERT_EQUAL(s->flows[0].stop_ns, 10000000000);
    sim_scenario_free(s);
}

static void a_peer_is_dialled_where_it_listens(void)
{
    struct qe_node_id b;
    struct qe_key key;
    uint8_t secret[64];
    char out[QE_ADDR_TEXT_SIZE];
    struct sim_scenario *s = parse(HEAD "[[host]]\nname = \"a\"\npeers = [\"b\"]\n"
                                        "[[host]]\nname = \"b\"\nallow = [\"a\"]\n"
                                        "[host.config.network]\nlisten = [\"[::]:7777\"]\n"
                                        "[[link]]\nbetween = [\"a\", \"b\"]\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    struct qe_config *configs = sim_configs_new(s, 5, 3, error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(configs);
    sim_host_identity(5, "b", &key, secret);
    b = qe_node_id_from_key(&key);
    CU_ASSERT_EQUAL_FATAL(configs[0].peer_count, 1);
    CU_ASSERT(qe_node_id_equal(&configs[0].peers[0].id, &b));
    CU_ASSERT_STRING_EQUAL(configs[0].peers[0].name, "b");
    CU_ASSERT_STRING_EQUAL(qe_addr_format(&configs[0].peers[0].addr, out), "[fd00::2]:7777");
    CU_ASSERT_EQUAL_FATAL(configs[1].peer_count, 1);
    CU_ASSERT_EQUAL(configs[1].peers[0].addr.ip.family, 0);
    CU_ASSERT_EQUAL(configs[1].listen_count, 1);
    CU_ASSERT_EQUAL(configs[0].listen_count, 2);
    CU_ASSERT(configs[0].lanes == 3 && configs[1].lanes == 3);
    sim_configs_free(configs, s);
    sim_scenario_free(s);
}

static void hosts_are_names_in_the_daemons_configuration(void)
{
    struct sim_scenario *s = parse(HEAD "[[host]]\nname = \"a\"\n[host.config.peers]\nallowed = [\"b\"]\n"
                                        "[[host]]\nname = \"b\"\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    struct qe_config *configs = sim_configs_new(s, 1, 0, error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(configs);
    CU_ASSERT_EQUAL(configs[0].peer_count, 1);
    CU_ASSERT_EQUAL(configs[1].peer_count, 0);
    sim_configs_free(configs, s);
    sim_scenario_free(s);
}

// docs/scenarios.md has `key` for every key of every table.
static void every_key_is_documented(void)
{
    FILE *in = fopen(QE_SCENARIO_PAGE, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
    char *page = sim_obtain(1, 1 << 20);
    size_t size = fread(page, 1, (1 << 20) - 1, in), count = 0;
    fclose(in);
    CU_ASSERT_FATAL(size > 0);
    const char *where;
    const struct sim_key *keys;
    for (size_t i = 0; (keys = sim_scenario_keys(i, &where)); i++)
        for (; keys->name; keys++, count++) {
            char quoted[80], equals[80], table[80], braces[80];
            snprintf(quoted, sizeof(quoted), "`%s`", keys->name);
            snprintf(equals, sizeof(equals), "`%s = ", keys->name);
            snprintf(table, sizeof(table), "[%s]", keys->name);
            snprintf(braces, sizeof(braces), "%s = ", keys->name);
            bool found = strstr(page, quoted) || strstr(page, equals) || strstr(page, table) ||
                         (strncmp(where, "a ", 2) == 0 && strstr(page, braces));
            CU_ASSERT_TRUE(found);
            if (!found) fprintf(stderr, "%s: '%s' is not in docs/scenarios.md\n", where, keys->name);
        }
    CU_ASSERT(count > 60);
    for (int i = 0; i < QE_FAULT_COUNT; i++) {
        char row[80];
        snprintf(row, sizeof(row), "\n| `%s` | ", qe_fault_point_name((enum qe_fault_point)i));
        CU_ASSERT_PTR_NOT_NULL(strstr(page, row));
    }
    sim_release(page);
}

static const struct unit_case cases[] = {
    {"every mistake is told with its line", every_mistake_is_told_with_its_line},
    {"broken files are read or refused", broken_files_are_read_or_refused},
    {"a link has its defaults", a_link_has_its_defaults},
    {"one direction can be another", one_direction_can_be_another},
    {"addresses are given, counted, or automatic", addresses_are_given_counted_or_automatic},
    {"the timeline is by time and then as written", the_timeline_is_by_time_and_then_as_written},
    {"a rate becomes an interval", a_rate_becomes_an_interval},
    {"a peer is dialled where it listens", a_peer_is_dialled_where_it_listens},
    {"hosts are names in the daemon's configuration", hosts_are_names_in_the_daemons_configuration},
    {"every key is documented", every_key_is_documented},
};
UNIT_MAIN("scenario", cases)
