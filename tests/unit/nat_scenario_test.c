// [host.nat] and [host.firewall] as text: every mistake is told with its line, and what is left out has its default.
#include "scenario/scenario.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define HEAD "[scenario]\nname = \"s\"\nduration = \"1s\"\n" // 3 lines
#define LINKS                                                                                                          \
    "[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\n[[link]]\nname = \"lan\"\nbetween = [\"r\", \"a\"]\n"             \
    "[[link]]\nname = \"wan\"\nbetween = [\"r\", \"b\"]\n"
#define ROUTER   HEAD "[[host]]\nname = \"r\"\nrouter = true\n" // 6 lines
#define NAT      ROUTER "[host.nat]\noutside = \"wan\"\n"       // 8 lines
#define PORTMAP  NAT "[host.nat.portmap]\n"                     // 9 lines
#define FIREWALL ROUTER "[host.firewall]\noutside = \"wan\"\n"  // 8 lines

static const struct {
    const char *text, *error;
} mistakes[] = {
    {HEAD "[[host]]\nname = \"r\"\n[host.nat]\noutside = \"wan\"\n" LINKS,
        "f.toml:6: \"r\" has a NAT, but is no router; expected 'router = true'"},
    {ROUTER "nat = 5\n" LINKS, "f.toml:7: 'nat' is an integer; expected a table"},
    {ROUTER "[host.nat]\n" LINKS, "f.toml:7: \"r\" needs 'outside'; expected a link"},
    {ROUTER "[host.nat]\noutside = \"net\"\n" LINKS, "f.toml:8: 'outside' is \"net\"; expected a link of host \"r\""},
    {ROUTER "[host.nat]\noutside = [\"wan\", \"lan\"]\n" LINKS,
        "f.toml:7: 'outside' of \"r\" must be one link on which it has an IPv4 address"},
    {ROUTER "[host.nat]\noutside = \"wan\"\n" LINKS "subnets = [\"2001:db8::/64\"]\n",
        "f.toml:7: 'outside' of \"r\" must be one link on which it has an IPv4 address"},
    {NAT "kind = \"cone\"\n" LINKS,
        "f.toml:9: 'kind' is \"cone\"; expected one of \"home-router\", \"full-cone\", \"restricted-cone\", "
        "\"port-restricted-cone\", \"symmetric\", \"linux\", \"cgn\""},
    {NAT "mapping = 1\n" LINKS, "f.toml:9: 'mapping' is an integer; expected a string"},
    {NAT "filtering = \"none\"\n" LINKS,
        "f.toml:9: 'filtering' is \"none\"; expected one of \"endpoint-independent\", \"address-dependent\", "
        "\"address-and-port-dependent\""},
    {NAT "filter_state = \"host\"\n" LINKS,
        "f.toml:9: 'filter_state' is \"host\"; expected one of \"mapping\", \"endpoint\""},
    {NAT "allocation = \"refuse\"\n" LINKS,
        "f.toml:9: 'allocation' is \"refuse\"; expected one of \"preserve\", \"sequential\", \"random\""},
    {NAT "collision = \"preserve\"\n" LINKS,
        "f.toml:9: 'collision' is \"preserve\"; expected one of \"sequential\", \"random\", \"refuse\""},
    {NAT "step = 0\n" LINKS, "f.toml:9: 'step' is 0; expected 1 to 1024"},
    {NAT "ports = \"80\"\n" LINKS, "f.toml:9: 'ports' is \"80\"; expected a range such as \"1024-65535\""},
    {NAT "ports = \"0-80\"\n" LINKS, "f.toml:9: 'ports' is \"0-80\"; expected a range such as \"1024-65535\""},
    {NAT "ports = \"80-79\"\n" LINKS, "f.toml:9: 'ports' is \"80-79\"; expected a range such as \"1024-65535\""},
    {NAT "ports = \"1-65536\"\n" LINKS, "f.toml:9: 'ports' is \"1-65536\"; expected a range such as \"1024-65535\""},
    {NAT "ports = \"1-99999999999999999999\"\n" LINKS,
        "f.toml:9: 'ports' is \"1-99999999999999999999\"; expected a range such as \"1024-65535\""},
    {NAT "ports = \"1-9x\"\n" LINKS, "f.toml:9: 'ports' is \"1-9x\"; expected a range such as \"1024-65535\""},
    {NAT "block = 60\nports = \"1-100\"\nblocks = 2\n" LINKS,
        "f.toml:7: 2 blocks of 60 ports do not fit into 100 ports"},
    {NAT "block = 10\npooling = \"arbitrary\"\n" LINKS,
        "f.toml:7: blocks of ports need 'pooling' = \"paired\" and no 'share_ports'"},
    {NAT "share_ports = true\n" LINKS, "f.toml:7: 'share_ports' needs a 'mapping' that depends on the remote address"},
    {NAT "table = 0\n" LINKS, "f.toml:9: 'table' is 0; expected 1 to 1048576"},
    {NAT "table = -1\n" LINKS, "f.toml:9: 'table' must be an integer that is not negative"},
    {NAT "timeout = \"0s\"\n" LINKS, "f.toml:7: 'timeout' is 0; expected a longer one"},
    {NAT "timeout = \"10s\"\nunanswered_timeout = \"11s\"\n" LINKS,
        "f.toml:7: 'unanswered_timeout' is 0 or longer than 'timeout'"},
    {NAT "filter_timeout = \"0s\"\n" LINKS, "f.toml:7: 'filter_timeout' is 0; expected a longer one"},
    {NAT "forward = [{port = 0, to = \"10.0.0.2:1\"}]\n" LINKS, "f.toml:9: 'port' is 0; expected 1 to 65535"},
    {NAT "forward = [{port = 1, to = \"[::1]:1\"}]\n" LINKS,
        "f.toml:9: 'to' is no IPv4 endpoint; expected one such as \"10.0.0.2:9000\""},
    {NAT "forward = [{port = 1}]\n" LINKS, "f.toml:9: a forward has no 'to'; expected a string"},
    {NAT "forward = [{to = \"10.0.0.2:1\"}]\n" LINKS, "f.toml:9: a forward has no 'port'; expected an integer"},
    {NAT "forward = [{port = 1, to = \"10.0.0.2:1\"}, {port = 1, to = \"10.0.0.3:1\"}]\n" LINKS,
        "f.toml:9: this forward's port or target has another forward already"},
    {NAT "forward = [{port = 1, to = \"10.0.0.2:1\"}, {port = 2, to = \"10.0.0.2:1\"}]\n" LINKS,
        "f.toml:9: this forward's port or target has another forward already"},
    {NAT "forward = [5]\n" LINKS, "f.toml:9: a forward is an integer; expected a table"},
    {PORTMAP "protocols = [\"igd\"]\n" LINKS,
        "f.toml:10: 'protocols' has \"igd\"; expected \"nat-pmp\", \"pcp\" or \"upnp\""},
    {PORTMAP "answer = \"maybe\"\n" LINKS,
        "f.toml:10: 'answer' is \"maybe\"; expected one of \"grant\", \"not-authorized\", \"network-failure\", "
        "\"no-resources\", \"silent\""},
    {PORTMAP "lifetime_max = \"1s\"\n" LINKS,
        "f.toml:9: 'lifetime_max' is too small or too large; expected at least 1 s and 'lifetime_min'"},
    {PORTMAP "lifetime_max = \"1200000h\"\n" LINKS,
        "f.toml:9: 'lifetime_max' is too small or too large; expected at least 1 s and 'lifetime_min'"},
    {ROUTER "[host.firewall]\n" LINKS, "f.toml:7: \"r\" needs 'outside'; expected a link"},
    {FIREWALL "kind = \"open\"\n" LINKS,
        "f.toml:9: 'kind' is \"open\"; expected one of \"stateful\", \"udp-blocked\", \"only-443\""},
    {FIREWALL "udp = 1\n" LINKS, "f.toml:9: 'udp' is an integer; expected a boolean"},
    {FIREWALL "inbound_ports = []\n" LINKS, "f.toml:9: 'inbound_ports' has 0 ports; expected 1 to 1024"},
    {FIREWALL "outbound_ports = [443, 70000]\n" LINKS,
        "f.toml:9: 'outbound_ports' has 70000; expected a port from 1 to 65535"},
    {FIREWALL "timeout = \"0s\"\n" LINKS, "f.toml:7: 'timeout' or 'unanswered_timeout' is 0, or the latter is longer"},
    {FIREWALL "mapping = \"x\"\n" LINKS,
        "f.toml:9: unknown key 'mapping' in [host.firewall]; expected kind, outside, udp, outbound, outbound_ports, "
        "inbound, inbound_ports, filtering, refresh, timeout, unanswered_timeout, table"},
    {NAT "[host.firewall]\noutside = \"wan\"\n" LINKS, "f.toml:9: 'outside' is for a router's firewall without a NAT"},
    {NAT LINKS "[[at]]\ntime = \"0s\"\nhost = \"a\"\nreboot = true\n",
        "f.toml:22: 'reboot' is for a router with a NAT or a firewall"},
    {NAT LINKS "[[at]]\ntime = \"0s\"\nhost = \"r\"\nreboot = false\n",
        "f.toml:22: 'reboot' must be true or a duration"},
    {NAT LINKS "[[at]]\ntime = \"0s\"\nhost = \"r\"\ncrash = true\n",
        "f.toml:21: \"r\" has no node; expected a host with a node"},
    {HEAD "[[host]]\nname = \"r\"\nnode = false\nallow = [\"a\"]\n" LINKS,
        "f.toml:4: host \"r\" has keys of a node; expected only those of the network"},
};

static struct sim_scenario *parse(const char *text, char *error)
{
    error[0] = '\0';
    return sim_scenario_parse("f.toml", text, strlen(text), error);
}

static void every_mistake_is_told_with_its_line(void)
{
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        char error[SIM_ERROR_SIZE];
        sim_scenario_free(parse(mistakes[i].text, error));
        CU_ASSERT_STRING_EQUAL(error, mistakes[i].error);
        if (strcmp(error, mistakes[i].error) != 0)
            fprintf(stderr, "case %zu\n     got: %s\nexpected: %s\n", i, error, mistakes[i].error);
    }
}

static const struct sim_scenario_middlebox *middlebox(struct sim_scenario **scenario, const char *text)
{
    char error[SIM_ERROR_SIZE];
    *scenario = parse(text, error);
    CU_ASSERT_STRING_EQUAL_FATAL(error, "");
    return (*scenario)->hosts[0].middlebox;
}

static void what_is_left_out_follows_from_what_is_there(void)
{
    static const struct {
        const char *text;
        uint64_t timeout_s, unanswered_s, filter_s, filter_unanswered_s;
    } times[] = {{NAT LINKS, 120, 120, 120, 120}, {NAT "timeout = \"20s\"\n" LINKS, 20, 20, 20, 20},
        {NAT "kind = \"linux\"\n" LINKS, 120, 30, 120, 30},
        {NAT "kind = \"linux\"\ntimeout = \"10s\"\n" LINKS, 10, 10, 10, 10},
        {NAT "timeout = \"90s\"\nunanswered_timeout = \"40s\"\nfilter_timeout = \"20s\"\n" LINKS, 90, 40, 20, 20}};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct sim_scenario *scenario;
        const struct sim_nat_settings *nat = &middlebox(&scenario, times[i].text)->nat;
        CU_ASSERT_EQUAL(nat->timeout_ns, times[i].timeout_s * 1000000000);
        CU_ASSERT_EQUAL(nat->unanswered_ns, times[i].unanswered_s * 1000000000);
        CU_ASSERT_EQUAL(nat->filter_ns, times[i].filter_s * 1000000000);
        CU_ASSERT_EQUAL(nat->filter_unanswered_ns, times[i].filter_unanswered_s * 1000000000);
        sim_scenario_free(scenario);
    }
}

static const struct unit_case cases[] = {
    {"every mistake is told with its line", every_mistake_is_told_with_its_line},
    {"what is left out follows from what is there", what_is_left_out_follows_from_what_is_there},
};

UNIT_MAIN("nat_scenario", cases)
