#include "config/load.h"
#include "config/nearest.h"
#include "config/quantity.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A "qeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"
#define B "qeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac"
#define C "qeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaad"

// What a sink heard: "E: line\n" and "W: line\n" one after the other.
static char heard[1 << 16];

static void hear(void *user, enum qe_log_level level, const char *line)
{
    (void)user;
    CU_ASSERT(strlen(line) < QE_CONFIG_LINE_SIZE);
    CU_ASSERT_PTR_NULL(strchr(line, '\n'));
    size_t size = strlen(heard);
    snprintf(heard + size, sizeof(heard) - size, "%s: %s\n", level == QE_LOG_ERROR ? "E" : "W", line);
}

static const struct qe_config_sink sink = {NULL, hear};

static struct qe_config config;

static int load_bytes(const char *text, size_t size)
{
    heard[0] = '\0';
    qe_config_init(&config, unit_mem());
    return qe_config_load_text(&config, text, size, "f", &sink);
}

static int load(const char *text)
{
    return load_bytes(text, strlen(text));
}

static void done(void)
{
    qe_config_fini(&config);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static bool heard_is(const char *text, const char *expected)
{
    if (strcmp(heard, expected) == 0) return true;
    fprintf(stderr, "given    %s\nheard    %sexpected %s\n", text, heard, expected);
    return false;
}

static struct qe_node_id id(const char *text)
{
    struct qe_node_id out;
    CU_ASSERT_FATAL(qe_node_id_parse(text, &out));
    return out;
}

static bool addr_is(const struct qe_addr *addr, const char *expected)
{
    char text[QE_ADDR_TEXT_SIZE];
    return strcmp(qe_addr_format(addr, text), expected) == 0;
}

static int load_file(const char *name)
{
    static char text[1 << 16];
    char path[512];
    snprintf(path, sizeof(path), "%s/config/%s", QE_TEST_DATA, name);
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    size_t size = fread(text, 1, sizeof(text), file);
    fclose(file);
    return load_bytes(text, size);
}

static void defaults_are_those_of_the_specification(void)
{
    CU_ASSERT_EQUAL(load_file("minimal.toml"), 0);
    CU_ASSERT_EQUAL(qe_config_finish(&config, &sink), 0);
    CU_ASSERT_STRING_EQUAL(heard, "");
    CU_ASSERT_STRING_EQUAL(config.name, "");
    CU_ASSERT_STRING_EQUAL(config.tun_name, "quicether0");
    CU_ASSERT_EQUAL(config.tun_addr.ip.family, 0);
    CU_ASSERT_EQUAL(config.mtu, 1420);
    CU_ASSERT_EQUAL(config.listen_count, 2);
    CU_ASSERT(addr_is(&config.listen[0], "0.0.0.0:9000"));
    CU_ASSERT(addr_is(&config.listen[1], "[::]:9000"));
    CU_ASSERT_EQUAL(config.peer_count, 0);
    CU_ASSERT_EQUAL(config.log_level, QE_LOG_INFO);
    CU_ASSERT_EQUAL(config.lanes, 1);
    CU_ASSERT_EQUAL(config.metrics_addr.ip.family, 0);
    CU_ASSERT_EQUAL(config.health_addr.ip.family, 0);
    CU_ASSERT_EQUAL_FATAL(config.bootstrap_count, 1);
    CU_ASSERT_STRING_EQUAL(config.bootstrap[0].text, "bootstrap.quicether.org:9000");
    CU_ASSERT(!config.bootstrap_mode && !config.mainline);
    CU_ASSERT(config.forward && config.masquerade && config.dns);
    CU_ASSERT_EQUAL(config.advertise.count, 0);
    CU_ASSERT_EQUAL(config.accept.origin, QE_CONFIG_DEFAULT);
    CU_ASSERT(!config.gateway && !config.relay.emergency && !config.exit_leak);
    CU_ASSERT(config.port_mapping && config.birthday);
    CU_ASSERT_EQUAL(config.relay.allow, QE_RELAY_MEMBERS);
    CU_ASSERT_STRING_EQUAL(config.exit_node.text, "");
    done();
}

static void the_personal_example_loads(void)
{
    CU_ASSERT_EQUAL(load_file("personal-vpn.toml"), 0);
    CU_ASSERT_EQUAL(qe_config_finish(&config, &sink), 0);
    CU_ASSERT(heard_is("personal-vpn.toml", ""));
    CU_ASSERT_EQUAL_FATAL(config.bootstrap_count, 2);
    CU_ASSERT_STRING_EQUAL(config.bootstrap[0].text, "home-server.local:9000");
    CU_ASSERT_STRING_EQUAL(config.bootstrap[1].text, "bootstrap.quicether.org:9000");
    CU_ASSERT_EQUAL_FATAL(config.allowed_name_count, 2);
    CU_ASSERT_STRING_EQUAL(config.allowed_names[0].name, "node_abc123");
    CU_ASSERT_STRING_EQUAL(config.allowed_names[1].name, "node_xyz789");
    CU_ASSERT_STRING_EQUAL(config.name, "laptop");
    char text[QE_ADDR_TEXT_SIZE];
    CU_ASSERT_STRING_EQUAL(qe_cidr_format(&config.tun_addr, text), "100.64.0.1/16");
    CU_ASSERT_EQUAL(config.peer_count, 0);
    done();
}

static void the_multipath_example_loads(void)
{
    CU_ASSERT_EQUAL(load_file("multipath.toml"), 0);
    CU_ASSERT_EQUAL(qe_config_finish(&config, &sink), 0);
    CU_ASSERT(heard_is("multipath.toml", "W: f:4: multipath.enabled has no effect yet\n"
                                         "W: f:5: multipath.interfaces has no effect yet\n"
                                         "W: f:6: multipath.scheduler has no effect yet\n"
                                         "W: f:8: multipath.weights has no effect yet\n"));
    done();
}

static void the_enterprise_example_loads(void)
{
    CU_ASSERT_EQUAL(load_file("enterprise.toml"), 0);
    CU_ASSERT_EQUAL(qe_config_finish(&config, &sink), 0);
    CU_ASSERT(heard_is("enterprise.toml", "W: f:18: multipath.enabled has no effect yet\n"
                                          "W: f:19: multipath.interfaces has no effect yet\n"
                                          "W: f:20: multipath.mode has no effect yet\n"
                                          "W: f:23: security.policy_file has no effect yet\n"
                                          "W: f:24: security.audit_log has no effect yet\n"
                                          "W: f:33: performance.io_backend has no effect yet\n"
                                          "W: f:34: performance.cpu_affinity has no effect yet\n"
                                          "W: the subnet 10.0.0.0/16 is not advertised: it overlaps the overlay, "
                                          "10.0.0.0/16\n"));
    CU_ASSERT_EQUAL(config.advertise.count, 0);
    CU_ASSERT(config.bootstrap_mode);
    CU_ASSERT_EQUAL(config.public_ip.family, 4);
    CU_ASSERT_STRING_EQUAL(config.name, "hq-gateway");
    CU_ASSERT(addr_is(&config.metrics_addr, "127.0.0.1:9090"));
    CU_ASSERT(addr_is(&config.health_addr, "127.0.0.1:9091"));
    done();
}

static void every_key_arrives_where_it_belongs(void)
{
    CU_ASSERT_EQUAL(load_file("everything.toml"), 0);
    CU_ASSERT_EQUAL(qe_config_finish(&config, &sink), 0);
    CU_ASSERT(heard_is("everything.toml", ""));
    CU_ASSERT_STRING_EQUAL(config.name, "tower");
    CU_ASSERT_STRING_EQUAL(config.tun_name, "vpn7");
    char text[QE_ADDR_TEXT_SIZE];
    CU_ASSERT_STRING_EQUAL(qe_cidr_format(&config.tun_addr, text), "100.64.7.1/24");
    CU_ASSERT_EQUAL(config.mtu, 1300);
    CU_ASSERT_EQUAL(config.listen_count, 3);
    CU_ASSERT(addr_is(&config.listen[0], "192.0.2.1:7000"));
    CU_ASSERT(addr_is(&config.listen[1], "[2001:db8::1]:7000"));
    CU_ASSERT(addr_is(&config.listen[2], "127.0.0.1:0"));
    CU_ASSERT_EQUAL_FATAL(config.peer_count, 4);
    static const char *const names[] = {"", "colo", "phone", ""};
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_STRING_EQUAL(config.peers[i].name, names[i]);
        CU_ASSERT_EQUAL(config.peers[i].addr.ip.family, i == 1 ? 4 : 0);
        if (i > 0) CU_ASSERT(qe_node_id_compare(&config.peers[i - 1].id, &config.peers[i].id) < 0);
    }
    CU_ASSERT(addr_is(&config.peers[1].addr, "198.51.100.7:9000"));
    CU_ASSERT_PTR_NULL(qe_config_find_peer(&config, qe_config_find_name(&config, "stranger")));
    CU_ASSERT_PTR_EQUAL(qe_config_find_peer(&config, qe_config_find_name(&config, "phone")), &config.peers[2]);
    CU_ASSERT_PTR_NULL(qe_config_find_name(&config, "nobody"));
    CU_ASSERT(addr_is(&config.health_addr, "[::1]:9091"));
    CU_ASSERT_EQUAL(config.log_level, QE_LOG_DEBUG);
    CU_ASSERT_EQUAL(config.lanes, 4);
    CU_ASSERT_EQUAL_FATAL(config.bootstrap_count, 2);
    CU_ASSERT_STRING_EQUAL(config.bootstrap[1].text, "192.0.2.9:9001");
    CU_ASSERT(config.bootstrap_mode && config.mainline);
    CU_ASSERT_EQUAL(config.public_ip.family, 6);
    CU_ASSERT(!config.forward && !config.masquerade && !config.dns);
    CU_ASSERT_EQUAL_FATAL(config.advertise.count, 2);
    CU_ASSERT_STRING_EQUAL(qe_cidr_format(&config.advertise.list[1], text), "2001:db8:7::/48");
    CU_ASSERT_EQUAL_FATAL(config.accept.count, 1);
    CU_ASSERT_STRING_EQUAL(qe_cidr_format(&config.accept.list[0], text), "10.0.0.0/8");
    CU_ASSERT_EQUAL_FATAL(config.allowed_name_count, 1);
    CU_ASSERT_STRING_EQUAL(config.allowed_names[0].name, "nas");
    CU_ASSERT(config.gateway && config.relay.emergency && config.exit_leak);
    CU_ASSERT(!config.port_mapping && !config.birthday);
    CU_ASSERT_EQUAL_FATAL(config.gateway_prefer.count, 2);
    CU_ASSERT_STRING_EQUAL(config.gateway_prefer.list[0].text, B);
    CU_ASSERT_STRING_EQUAL(config.gateway_prefer.list[1].text, A);
    CU_ASSERT_EQUAL_FATAL(config.gateway_allow.count, 1);
    CU_ASSERT_STRING_EQUAL(config.gateway_allow.list[0].text, "friend");
    CU_ASSERT_EQUAL(config.relay.allow, QE_RELAY_ALLOWED);
    CU_ASSERT_EQUAL(config.relay.rate_bps, 20000000);
    CU_ASSERT_EQUAL(config.relay.total_rate_bps, 1000000000);
    CU_ASSERT_EQUAL(config.relay.volume_bytes, UINT64_C(5) << 30);
    CU_ASSERT_STRING_EQUAL(config.exit_node.text, B);
    CU_ASSERT_STRING_EQUAL(config.notify_command, "/usr/local/bin/tell");
    struct qe_node_id found, colo = id(B);
    CU_ASSERT(qe_config_find_node(&config, &config.exit_node, &found) && qe_node_id_equal(&found, &colo));
    CU_ASSERT(!qe_config_find_node(&config, &config.gateway_allow.list[0], &found));
    done();
}

#define NAME_RULE  "a name: 1 to 63 of a-z, 0-9, '_' and '-', and not a node ID"
#define TUN_RULE   "an IPv4 address of this node with the overlay's prefix, such as 100.64.0.1/16"
#define IF_RULE    "an interface name: 1 to 15 printable characters without '/', ':', '%' or a space"
#define BIND_RULE  "ADDR:PORT, such as 0.0.0.0:9000 or [::]:9000"
#define SERVE_RULE "ADDR:PORT, such as 127.0.0.1:9090 or [::1]:9090"
#define DIAL_RULE  "the ADDR:PORT of another host, such as 192.0.2.1:9000 or [2001:db8::1]:9000"
#define HOST_RULE  "HOST:PORT, such as bootstrap.example.org:9000 or 192.0.2.1:9000"
#define ID_RULE    "a node ID: \"qe\" and 32 of a-z and 2-7"
#define LONG       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct mistake {
    const char *text, *heard;
};

static void check_mistakes(const struct mistake *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int result = load(table[i].text);
        CU_ASSERT(heard_is(table[i].text, table[i].heard));
        CU_ASSERT_EQUAL(result, strstr(table[i].heard, "E: ") ? -1 : 0);
        done();
    }
}
#define CHECK_MISTAKES(table) check_mistakes(table, sizeof(table) / sizeof((table)[0]))

static void wrong_values_are_named_with_what_is_expected(void)
{
    static const struct mistake table[] = {
        {"[node]\nname = 1\n", "E: f:2: node.name is an integer, expected a string\n"},
        {"[node]\nname = \"Laptop\"\n", "E: f:2: node.name is \"Laptop\", expected " NAME_RULE "\n"},
        {"[node]\nname = \"\"\n", "E: f:2: node.name is \"\", expected " NAME_RULE "\n"},
        {"[node]\nname = \"" A "\"\n", "E: f:2: node.name is \"" A "\", expected " NAME_RULE "\n"},
        {"[node]\nname = \"" LONG "\"\n",
            "E: f:2: node.name is \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\", "
            "expected " NAME_RULE "\n"},
        {"[node]\nname = \"a\\nb\\u007f\"\n", "E: f:2: node.name is \"a?b?\", expected " NAME_RULE "\n"},
        {"[node]\nrole = \"gatway\"\n", "E: f:2: node.role is \"gatway\", expected \"node\" or \"gateway\"\n"},
        {"[node]\nrole = \"node\"\n", ""},
        {"[network]\ntun_name = \"a/b\"\n", "E: f:2: network.tun_name is \"a/b\", expected " IF_RULE "\n"},
        {"[network]\ntun_name = \"..\"\n", "E: f:2: network.tun_name is \"..\", expected " IF_RULE "\n"},
        {"[network]\ntun_name = \"tun%d\"\n", "E: f:2: network.tun_name is \"tun%d\", expected " IF_RULE "\n"},
        {"[network]\ntun_name = \"a234567890123456\"\n",
            "E: f:2: network.tun_name is \"a234567890123456\", expected " IF_RULE "\n"},
        {"[network]\ntun_addr = \"100.64.0.1\"\n",
            "E: f:2: network.tun_addr is \"100.64.0.1\", expected " TUN_RULE "\n"},
        {"[network]\ntun_addr = \"fd00::1/64\"\n",
            "E: f:2: network.tun_addr is \"fd00::1/64\", expected " TUN_RULE "\n"},
        {"[network]\ntun_addr = \"10.0.0.0/16\"\n",
            "E: f:2: network.tun_addr is \"10.0.0.0/16\", expected " TUN_RULE "\n"},
        {"[network]\ntun_addr = \"10.0.255.255/16\"\n",
            "E: f:2: network.tun_addr is \"10.0.255.255/16\", expected " TUN_RULE "\n"},
        {"[network]\ntun_addr = \"224.0.0.1/16\"\n",
            "E: f:2: network.tun_addr is \"224.0.0.1/16\", expected " TUN_RULE "\n"},
        {"[network]\ntun_addr = \"127.0.0.1/8\"\n",
            "E: f:2: network.tun_addr is \"127.0.0.1/8\", expected " TUN_RULE "\n"},
        {"[network]\ntun_addr = \"10.0.0.0/31\"\n", ""},
        {"[network]\ntun_addr = \"10.0.0.0/32\"\n", ""},
        {"[network]\nmtu = 1279\n", "E: f:2: network.mtu is 1279, expected 1280..1420\n"},
        {"[network]\nmtu = 1421\n", "E: f:2: network.mtu is 1421, expected 1280..1420\n"},
        {"[network]\nmtu = \"1400\"\n", "E: f:2: network.mtu is a string, expected an integer from 1280 to 1420\n"},
        {"[network]\nmtu = 1400.0\n", "E: f:2: network.mtu is a float, expected an integer from 1280 to 1420\n"},
        {"[network]\nlisten = \"0.0.0.0:1\"\n",
            "E: f:2: network.listen is a string, expected an array of \"ADDR:PORT\"\n"},
        {"[network]\nlisten = []\n", "E: f:2: network.listen is empty, expected at least one \"ADDR:PORT\"\n"},
        {"[network]\nlisten = [\n\"0.0.0.0:1\",\n9000]\n",
            "E: f:4: network.listen[1] is an integer, expected a string\n"},
        {"[network]\nlisten = [\"localhost:1\"]\n",
            "E: f:2: network.listen[0] is \"localhost:1\", expected " BIND_RULE "\n"},
        {"[network]\nlisten = [\"224.0.0.1:1\"]\n",
            "E: f:2: network.listen[0] is \"224.0.0.1:1\", expected " BIND_RULE "\n"},
        {"[network]\nlisten = [\"0.0.0.0:1\", \"[::]:1\", \"0.0.0.0:1\"]\n",
            "E: f:2: network.listen[2] is \"0.0.0.0:1\", expected each address only once\n"},
        {"[network]\nlisten = [\"0.0.0.0:0\", \"0.0.0.0:0\"]\n", ""},
        {"[network]\nlisten = [\"0.0.0.0:1\", \"0.0.0.0:2\", \"0.0.0.0:3\", \"0.0.0.0:4\", \"0.0.0.0:5\", "
         "\"0.0.0.0:6\", "
         "\"0.0.0.0:7\", \"0.0.0.0:8\", \"0.0.0.0:9\"]\n",
            "E: f:2: network.listen[8] is \"0.0.0.0:9\", expected at most 8 addresses\n"},
        {"[network]\nadvertise_subnets = [\"10.0.0.1/16\", \"10.0.0.0\"]\n",
            "E: f:2: network.advertise_subnets[0] is \"10.0.0.1/16\", expected a subnet without host bits, such as "
            "10.0.0.0/16\n"
            "E: f:2: network.advertise_subnets[1] is \"10.0.0.0\", expected a subnet such as 10.0.0.0/16\n"},
        {"[discovery]\ndht_port = 0\n", "E: f:2: discovery.dht_port is 0, expected 1..65535\n"},
        {"[discovery]\ndht_port = 65536\n", "E: f:2: discovery.dht_port is 65536, expected 1..65535\n"},
        {"[discovery]\nbootstrap_mode = 1\n",
            "E: f:2: discovery.bootstrap_mode is an integer, expected true or false\n"},
        {"[discovery]\nbootstrap_mode = false\n", ""},
        {"[discovery]\nbootstrap_nodes = \"x:1\"\n",
            "E: f:2: discovery.bootstrap_nodes is a string, expected an array of \"HOST:PORT\"\n"},
        {"[discovery]\nbootstrap_nodes = [\"a.b:1\", \"[::1]:2\", \"1.2.3.4:5\", \"a.b.:65535\"]\n", ""},
        {"[discovery]\nbootstrap_nodes = []\n", ""},
        {"[discovery]\nbootstrap_nodes = [\"a.b:1\", \"a.b:1\"]\n",
            "E: f:2: discovery.bootstrap_nodes[1] is \"a.b:1\", expected each address only once\n"},
        {"[discovery]\nmainline = \"yes\"\n", "E: f:2: discovery.mainline is a string, expected true or false\n"},
        {"[network]\nforward = 0\n", "E: f:2: network.forward is an integer, expected true or false\n"},
        {"[network]\naccept_subnets = []\n", ""},
        {"[network]\naccept_subnets = [\"10.0.0.0/8\", \"10.0.0.0/8\"]\n",
            "E: f:2: network.accept_subnets[1] is \"10.0.0.0/8\", expected each subnet only once\n"},
        {"[network]\naccept_subnets = \"10.0.0.0/8\"\n",
            "E: f:2: network.accept_subnets is a string, expected an array of subnets\n"},
        {"[discovery]\nbootstrap_nodes = [\"1.2.3:1\"]\n",
            "E: f:2: discovery.bootstrap_nodes[0] is \"1.2.3:1\", expected " HOST_RULE "\n"},
        {"[discovery]\nbootstrap_nodes = [\"a..b:1\"]\n",
            "E: f:2: discovery.bootstrap_nodes[0] is \"a..b:1\", expected " HOST_RULE "\n"},
        {"[discovery]\nbootstrap_nodes = [\"-a:1\"]\n",
            "E: f:2: discovery.bootstrap_nodes[0] is \"-a:1\", expected " HOST_RULE "\n"},
        {"[discovery]\nbootstrap_nodes = [\"a\"]\n",
            "E: f:2: discovery.bootstrap_nodes[0] is \"a\", expected " HOST_RULE "\n"},
        {"[discovery]\nbootstrap_nodes = [\"a:0\"]\n",
            "E: f:2: discovery.bootstrap_nodes[0] is \"a:0\", expected " HOST_RULE "\n"},
        {"[discovery]\nbootstrap_nodes = [\":1\"]\n",
            "E: f:2: discovery.bootstrap_nodes[0] is \":1\", expected " HOST_RULE "\n"},
        {"[discovery]\npublic_ip = \"127.0.0.1\"\n",
            "E: f:2: discovery.public_ip is \"127.0.0.1\", expected an IP address that others can reach, such as "
            "198.51.100.5\n"},
        {"[multipath]\nenabled = false\nmode = \"off\"\n", ""},
        {"[multipath]\nmode = \"agregate\"\n",
            "E: f:2: multipath.mode is \"agregate\", expected \"off\", \"aggregate\", \"failover\" or \"redundant\"\n"},
        {"[multipath]\nscheduler = \"fast\"\n", "E: f:2: multipath.scheduler is \"fast\", expected \"auto\", "
                                                "\"round-robin\", \"weighted\", \"latency-aware\" "
                                                "or \"redundant\"\n"},
        {"[multipath]\ninterfaces = [\"eth 0\"]\n",
            "E: f:2: multipath.interfaces[0] is \"eth 0\", expected " IF_RULE "\n"},
        {"[multipath]\nweights = 1\n",
            "E: f:2: multipath.weights is an integer, expected a table of interface names and numbers\n"},
        {"[multipath.weights]\neth0 = 0\neth1 = -1.0\neth2 = nan\neth3 = inf\neth4 = \"1\"\n\"a b\" = 1\n",
            "E: f:2: multipath.weights.\"eth0\" is no weight, expected a number above 0\n"
            "E: f:3: multipath.weights.\"eth1\" is no weight, expected a number above 0\n"
            "E: f:4: multipath.weights.\"eth2\" is no weight, expected a number above 0\n"
            "E: f:5: multipath.weights.\"eth3\" is no weight, expected a number above 0\n"
            "E: f:6: multipath.weights.\"eth4\" is no weight, expected a number above 0\n"
            "E: f:7: multipath.weights.\"a b\" is no weight, expected " IF_RULE "\n"},
        {"[node]\nrole = \"gateway\"\n", ""},
        {"[gateway]\nprefer = \"a\"\n",
            "E: f:2: gateway.prefer is a string, expected an array of node IDs and names\n"},
        {"[gateway]\nprefer = [\"A b\"]\nallow = [1, \"x\", \"x\"]\n",
            "E: f:2: gateway.prefer[0] is \"A b\", expected a node ID or a name\n"
            "E: f:3: gateway.allow[0] is an integer, expected a string\n"
            "E: f:3: gateway.allow[2] is \"x\", expected each node only once\n"},
        {"[gateway]\nallow = [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\", \"i\"]\n",
            "E: f:2: gateway.allow[8] is \"i\", expected at most 8 gateways\n"},
        {"[network]\nexit_node = \"x y\"\nexit_leak = 1\n",
            "E: f:2: network.exit_node is \"x y\", expected a node ID or a name\n"
            "E: f:3: network.exit_leak is an integer, expected true or false\n"},
        {"[relay]\nallow = \"all\"\n",
            "E: f:2: relay.allow is \"all\", expected \"nobody\", \"members\" or \"allowed\"\n"},
        {"[relay]\nrate = \"20Mbps\"\ntotal_rate = \"0bit/s\"\nvolume = \"10\"\n",
            "E: f:2: relay.rate is \"20Mbps\", expected a rate such as \"20Mbit/s\", or \"unlimited\"\n"
            "E: f:3: relay.total_rate is \"0bit/s\", expected a rate such as \"20Mbit/s\", or \"unlimited\"\n"
            "E: f:4: relay.volume is \"10\", expected a size such as \"10GB\", or \"unlimited\"\n"},
        {"[relay]\nrate = \"99999999999Gbit/s\"\n",
            "E: f:2: relay.rate is \"99999999999Gbit/s\", expected a rate such as \"20Mbit/s\", or \"unlimited\"\n"},
        {"[nat]\nbirthday = \"no\"\n", "E: f:2: nat.birthday is a string, expected true or false\n"},
        {"[monitoring]\nnotify_command = \"beep\"\n",
            "E: f:2: monitoring.notify_command is \"beep\", expected an absolute path\n"},
        {"[security]\npolicy_file = \"policy.toml\"\n",
            "E: f:2: security.policy_file is \"policy.toml\", expected an absolute path\n"},
        {"[security]\nrequire_2fa = true\n", "W: f:2: security.require_2fa has no effect yet\n"},
        {"[monitoring]\nlog_level = \"loud\"\n",
            "E: f:2: monitoring.log_level is \"loud\", expected \"error\", \"warn\", \"info\" or \"debug\"\n"},
        {"[monitoring]\nmetrics_addr = \"9090\"\n",
            "E: f:2: monitoring.metrics_addr is \"9090\", expected " SERVE_RULE "\n"},
        {"[monitoring]\nhealth_addr = \"127.0.0.1:0\"\n",
            "E: f:2: monitoring.health_addr is \"127.0.0.1:0\", expected " SERVE_RULE "\n"},
        {"[performance]\nlanes = 0\n", "E: f:2: performance.lanes is 0, expected 1..32\n"},
        {"[performance]\nlanes = 33\n", "E: f:2: performance.lanes is 33, expected 1..32\n"},
        {"[performance]\nio_backend = \"epoll\"\n", ""},
        {"[performance]\nio_backend = \"kqueue\"\n",
            "E: f:2: performance.io_backend is \"kqueue\", expected \"epoll\" or \"io_uring\"\n"},
        {"[performance]\ncpu_affinity = 1\n",
            "E: f:2: performance.cpu_affinity is an integer, expected an array of CPU numbers\n"},
        {"[performance]\ncpu_affinity = [0, -1]\n", "E: f:2: performance.cpu_affinity[1] is -1, expected 0..1023\n"},
    };
    CHECK_MISTAKES(table);
}

static void unknown_keys_are_mistakes_with_a_suggestion(void)
{
    static const struct mistake table[] = {
        {"[network]\ntun_nam = \"x\"\n", "E: f:2: network.tun_nam is unknown, did you mean network.tun_name?\n"},
        {"[network]\nmut = 1400\n", "E: f:2: network.mut is unknown, did you mean network.mtu?\n"},
        {"[network]\nname = \"x\"\n", "E: f:2: network.name is unknown, did you mean node.name?\n"},
        {"[node]\nmtu = 1400\n", "E: f:2: node.mtu is unknown, did you mean network.mtu?\n"},
        {"name = \"x\"\n", "E: f:1: name is unknown, did you mean node.name?\n"},
        {"[netwrok]\nmtu = 1400\n", "E: f:1: netwrok is unknown, did you mean network?\n"},
        {"[[peers]]\nid = 1\n", "E: f:1: peers is an array, expected a table\n"},
        {"[peer]\nid = 1\n", "E: f:1: peer is a table, expected [[peer]]\n"},
        {"peer = [1]\n", "E: f:1: peer is an integer, expected [[peer]]\n"},
        {"network = 1\n", "E: f:1: network is an integer, expected a table\n"},
        {"[node]\ncolour = \"red\"\n", "E: f:2: node.colour is unknown, expected one of name, role\n"},
        {"[colours]\n",
            "E: f:1: colours is unknown, expected one of discovery, gateway, monitoring, multipath, nat, network, "
            "node, peer, peers, performance, relay, security\n"},
        {"[node]\n\"a\\nb\" = 1\n", "E: f:2: node.\"a?b\" is unknown, expected one of name, role\n"},
        {"\"\" = 1\n",
            "E: f:1: \"\" is unknown, expected one of discovery, gateway, monitoring, multipath, nat, network, node, "
            "peer, peers, performance, relay, security\n"},
        {"[[peer]]\nid = \"" A "\"\nadress = \"1.2.3.4:5\"\n",
            "E: f:3: peer.adress is unknown, did you mean peer.address?\n"},
    };
    CHECK_MISTAKES(table);
}

static void peers_are_checked(void)
{
    static const struct mistake table[] = {
        {"[[peer]]\nname = \"x\"\n", "E: f:1: peer has no id, expected id = \"qe...\"\n"},
        {"[[peer]]\nid = \"x\"\n", "E: f:2: peer.id is \"x\", expected " ID_RULE "\n"},
        {"[[peer]]\nid = 1\nname = 2\naddress = 3\n", "E: f:2: peer.id is an integer, expected a string\n"
                                                      "E: f:3: peer.name is an integer, expected a string\n"
                                                      "E: f:4: peer.address is an integer, expected a string\n"},
        {"[[peer]]\nid = \"" A "\"\nname = \"X\"\n", "E: f:3: peer.name is \"X\", expected " NAME_RULE "\n"},
        {"[[peer]]\nid = \"" A "\"\naddress = \"0.0.0.0:1\"\n",
            "E: f:3: peer.address is \"0.0.0.0:1\", expected " DIAL_RULE "\n"},
        {"[[peer]]\nid = \"" A "\"\naddress = \"1.2.3.4:0\"\n",
            "E: f:3: peer.address is \"1.2.3.4:0\", expected " DIAL_RULE "\n"},
        {"[[peer]]\nid = \"" A "\"\naddress = \"home:1\"\n",
            "E: f:3: peer.address is \"home:1\", expected " DIAL_RULE "\n"},
        {"[[peer]]\nid = \"" A "\"\naddress = \"1.2.3.4:1\"\n[[peer]]\nid = \"" A "\"\naddress = \"1.2.3.4:1\"\n", ""},
        {"[[peer]]\nid = \"" A "\"\naddress = \"1.2.3.4:1\"\n[[peer]]\nid = \"" A "\"\naddress = \"1.2.3.4:2\"\n",
            "E: f:4: peer gives a peer a second address, expected only 1.2.3.4:1\n"},
        {"[[peer]]\nid = \"" A "\"\nname = \"x\"\n[[peer]]\nid = \"" B "\"\nname = \"x\"\n",
            "E: f:4: peer gives the name \"x\" to a second node, expected only " A "\n"},
        {"[peers.names]\nx = \"" A "\"\n[[peer]]\nid = \"" B "\"\nname = \"x\"\n",
            "E: f:3: peer gives the name \"x\" to a second node, expected only " A "\n"},
        {"[peers.names]\nx = \"" A "\"\ny = \"" A "\"\n[[peer]]\nid = \"" A "\"\nname = \"x\"\n", ""},
        {"[peers.names]\nx = \"y\"\n", "E: f:2: peers.names.x is \"y\", expected " ID_RULE "\n"},
        {"[peers.names]\nX = \"" A "\"\n", "E: f:2: peers.names is \"X\", expected " NAME_RULE "\n"},
        {"[peers]\nnames = []\n", "E: f:2: peers.names is an array, expected a table of names and node IDs\n"},
        {"[peers]\nallowed = \"x\"\n", "E: f:2: peers.allowed is a string, expected an array of node IDs and names\n"},
        {"[peers]\nallowed = [\"Home Server\", 1]\n",
            "E: f:2: peers.allowed[0] is \"Home Server\", expected a node ID or a name\n"
            "E: f:2: peers.allowed[1] is an integer, expected a string\n"},
    };
    CHECK_MISTAKES(table);
}

static void syntax_mistakes_carry_file_and_line(void)
{
    static const struct mistake table[] = {
        {"[node]\nname = laptop\n", "E: f:2: no value after '=' or ',', expected a string in quotes, a number, true, "
                                    "false, an array or a table\n"},
        {"[node]\n[node]\n", "E: f:2: defined a second time, expected once\n"},
    };
    CHECK_MISTAKES(table);
}

static void all_mistakes_are_told_up_to_a_bound(void)
{
    char text[4096] = "[node]\n", expected[8192] = "";
    size_t size = strlen(text), told = 0;
    for (int i = 0; i < 25; i++) {
        size += (size_t)sprintf(text + size, "wrong%d = 1\n", i);
        if (i < QE_CONFIG_MISTAKES_MAX)
            told += (size_t)sprintf(
                expected + told, "E: f:%d: node.wrong%d is unknown, expected one of name, role\n", i + 2, i);
    }
    sprintf(expected + told, "E: f: there are more mistakes, which are not shown\n");
    CU_ASSERT_EQUAL(load(text), -1);
    CU_ASSERT(heard_is(text, expected));
    done();
}

static void the_default_port_moves_the_default_addresses_only(void)
{
    CU_ASSERT_EQUAL(load("[discovery]\ndht_port = 7777\n"), 0);
    CU_ASSERT_EQUAL(qe_config_finish(&config, &sink), 0);
    CU_ASSERT(heard_is("dht_port", ""));
    CU_ASSERT(addr_is(&config.listen[0], "0.0.0.0:7777"));
    CU_ASSERT(addr_is(&config.listen[1], "[::]:7777"));
    done();
    CU_ASSERT_EQUAL(load("[discovery]\ndht_port = 7777\n[network]\nlisten = [\"0.0.0.0:1\"]"), 0);
    CU_ASSERT_EQUAL(qe_config_finish(&config, &sink), 0);
    CU_ASSERT(heard_is("dht_port", "W: f:2: discovery.dht_port has no effect beside network.listen\n"));
    CU_ASSERT_EQUAL(config.listen_count, 1);
    CU_ASSERT(addr_is(&config.listen[0], "0.0.0.0:1"));
    done();
}

// Settings as the command line makes them.
static struct qe_config_source option(const char *where)
{
    return (struct qe_config_source){where, QE_CONFIG_COMMAND_LINE, &sink};
}

static void the_command_line_overrides_the_file(void)
{
    CU_ASSERT_EQUAL(load("[node]\nname = \"a\"\n[network]\nlisten = [\"0.0.0.0:1\", \"[::]:1\"]\ntun_name = \"t0\"\n"
                         "tun_addr = \"10.0.0.1/8\"\n[monitoring]\nlog_level = \"warn\"\n"
                         "[[peer]]\nid = \"" A "\"\nname = \"home\"\naddress = \"192.0.2.1:1\"\n"
                         "[peers.names]\nphone = \"" B "\"\n"),
        0);
    struct qe_config_source listen = option("--listen"), other = option("--x");
    CU_ASSERT_EQUAL(qe_config_add_listen(&config, &listen, "127.0.0.1:2"), 0);
    CU_ASSERT_EQUAL(qe_config_add_listen(&config, &listen, "[::1]:2"), 0);
    CU_ASSERT_EQUAL(qe_config_set_name(&config, &other, "b"), 0);
    CU_ASSERT_EQUAL(qe_config_set_tun_name(&config, &other, "t1"), 0);
    CU_ASSERT_EQUAL(qe_config_set_tun_addr(&config, &other, "10.0.0.2/8"), 0);
    CU_ASSERT_EQUAL(qe_config_set_log_level(&config, &other, "error"), 0);
    CU_ASSERT_EQUAL(qe_config_add_peer(&config, &other, A "@192.0.2.1:2"), 0);
    CU_ASSERT_EQUAL(qe_config_add_peer(&config, &other, "phone@[2001:db8::1]:3"), 0);
    CU_ASSERT_EQUAL(qe_config_allow_peer(&config, &other, C), 0);
    CU_ASSERT_EQUAL(qe_config_allow_peer(&config, &other, "home"), 0);
    CU_ASSERT_EQUAL(qe_config_finish(&config, &sink), 0);
    CU_ASSERT(heard_is("command line", ""));
    CU_ASSERT_EQUAL(config.listen_count, 2);
    CU_ASSERT(addr_is(&config.listen[0], "127.0.0.1:2"));
    CU_ASSERT(addr_is(&config.listen[1], "[::1]:2"));
    CU_ASSERT_STRING_EQUAL(config.name, "b");
    CU_ASSERT_STRING_EQUAL(config.tun_name, "t1");
    CU_ASSERT_EQUAL(config.tun_addr.ip.bytes[3], 2);
    CU_ASSERT_EQUAL(config.log_level, QE_LOG_ERROR);
    CU_ASSERT_EQUAL_FATAL(config.peer_count, 3);
    CU_ASSERT(addr_is(&config.peers[0].addr, "192.0.2.1:2"));
    CU_ASSERT_STRING_EQUAL(config.peers[0].name, "home");
    CU_ASSERT(addr_is(&config.peers[1].addr, "[2001:db8::1]:3"));
    CU_ASSERT_STRING_EQUAL(config.peers[1].name, "phone");
    CU_ASSERT_EQUAL(config.peers[2].addr.ip.family, 0);
    done();
}

static void later_words_about_discovery_replace_earlier_ones(void)
{
    CU_ASSERT_EQUAL(load("[discovery]\nbootstrap_nodes = [\"a.example:1\", \"b.example:2\"]\n[network]\n"
                         "advertise_subnets = [\"10.1.0.0/16\"]\naccept_subnets = [\"10.2.0.0/16\"]\n"),
        0);
    struct qe_config_source source = option("--x");
    CU_ASSERT_EQUAL(qe_config_add_bootstrap(&config, &source, "c.example:3"), 0);
    CU_ASSERT_EQUAL(qe_config_add_bootstrap(&config, &source, "192.0.2.1:4"), 0);
    CU_ASSERT_EQUAL(qe_config_add_advertise(&config, &source, "10.3.0.0/16"), 0);
    CU_ASSERT_EQUAL(qe_config_add_accept(&config, &source, "10.0.0.0/8"), 0);
    CU_ASSERT_EQUAL(qe_config_add_accept(&config, &source, "0.0.0.0/0"), 0);
    CU_ASSERT_EQUAL(qe_config_set_port(&config, &source, "7000"), 0);
    CU_ASSERT_EQUAL(qe_config_finish(&config, &sink), 0);
    CU_ASSERT(heard_is("discovery", ""));
    CU_ASSERT_EQUAL_FATAL(config.bootstrap_count, 2);
    CU_ASSERT_STRING_EQUAL(config.bootstrap[0].text, "c.example:3");
    CU_ASSERT_EQUAL(config.advertise.count, 1);
    CU_ASSERT_EQUAL(config.accept.count, 2);
    CU_ASSERT(addr_is(&config.listen[0], "0.0.0.0:7000"));
    struct qe_addr addr;
    char host[QE_HOST_SIZE];
    qe_host_port_split(config.bootstrap[0].text, host, &addr);
    CU_ASSERT_STRING_EQUAL(host, "c.example");
    CU_ASSERT_EQUAL(addr.ip.family, 0);
    CU_ASSERT_EQUAL(addr.port, 3);
    qe_host_port_split(config.bootstrap[1].text, host, &addr);
    CU_ASSERT_STRING_EQUAL(host, "");
    CU_ASSERT(addr_is(&addr, "192.0.2.1:4"));
    CU_ASSERT_EQUAL(qe_config_add_bootstrap(&config, &source, "none"), 0);
    CU_ASSERT_EQUAL(qe_config_finish(&config, &sink), 0);
    CU_ASSERT_EQUAL(config.bootstrap_count, 0);
    CU_ASSERT_EQUAL(qe_config_add_listen(&config, &source, "0.0.0.0:1"), 0);
    CU_ASSERT_EQUAL(qe_config_finish(&config, &sink), 0);
    CU_ASSERT(heard_is("port", "W: --dht-port has no effect beside --listen or network.listen\n"));
    done();
}

static void an_empty_list_asks_nobody(void)
{
    CU_ASSERT_EQUAL(load("[discovery]\nbootstrap_nodes = []\n[network]\naccept_subnets = []\n"), 0);
    CU_ASSERT_EQUAL(qe_config_finish(&config, &sink), 0);
    CU_ASSERT_EQUAL(config.bootstrap_count, 0);
    CU_ASSERT_EQUAL(config.accept.count, 0);
    CU_ASSERT_EQUAL(config.accept.origin, QE_CONFIG_FILE);
    done();
}

static void later_words_about_gateways_replace_earlier_ones(void)
{
    CU_ASSERT_EQUAL(load("[gateway]\nprefer = [\"a\", \"b\"]\nallow = [\"c\"]\n[network]\nexit_node = \"d\"\n"), 0);
    struct qe_config_source source = option("--x");
    CU_ASSERT_EQUAL(qe_config_add_gateway_prefer(&config, &source, "e"), 0);
    CU_ASSERT_EQUAL(qe_config_add_gateway_prefer(&config, &source, "a"), 0);
    CU_ASSERT_EQUAL(config.gateway_prefer.count, 2);
    CU_ASSERT_STRING_EQUAL(config.gateway_prefer.list[0].text, "e");
    CU_ASSERT_EQUAL(qe_config_add_gateway_allow(&config, &source, "none"), 0);
    CU_ASSERT_EQUAL(config.gateway_allow.count, 0);
    CU_ASSERT_EQUAL(qe_config_set_exit_node(&config, &source, "none"), 0);
    CU_ASSERT_STRING_EQUAL(config.exit_node.text, "");
    CU_ASSERT(heard_is("gateways", ""));
    done();
}

static void an_exit_uses_none(void)
{
    CU_ASSERT_EQUAL(load("[network]\nexit_node = \"d\"\nadvertise_subnets = [\"0.0.0.0/0\"]\n"), 0);
    CU_ASSERT_EQUAL(qe_config_finish(&config, &sink), -1);
    CU_ASSERT(heard_is("exit", "E: network.exit_node has no place beside an advertised default route\n"));
    done();
    CU_ASSERT_EQUAL(load("[node]\nname = \"d\"\n[network]\nexit_node = \"d\"\n"), 0);
    CU_ASSERT_EQUAL(qe_config_finish(&config, &sink), -1);
    CU_ASSERT(heard_is("exit", "E: network.exit_node is this node itself\n"));
    done();
}

static void quantities_are_written_as_they_are_read(void)
{
    static const char *const rates[] = {"1bit/s", "1500bit/s", "20Mbit/s", "2500Mbit/s", "1Gbit/s", "unlimited"};
    static const char *const volumes[] = {"1B", "10GB", "5GiB", "1536KiB", "2TB", "unlimited"};
    char text[QE_QUANTITY_TEXT_SIZE];
    uint64_t n;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        CU_ASSERT_PTR_NULL(qe_check_rate(rates[i], &n));
        CU_ASSERT_STRING_EQUAL(qe_rate_format(n, text), rates[i]);
        CU_ASSERT_PTR_NULL(qe_check_volume(volumes[i], &n));
        CU_ASSERT_STRING_EQUAL(qe_volume_format(n, text), volumes[i]);
    }
    CU_ASSERT_PTR_NOT_NULL(qe_check_rate("", &n));
    CU_ASSERT_PTR_NOT_NULL(qe_check_rate("-1bit/s", &n));
    CU_ASSERT_PTR_NOT_NULL(qe_check_volume("99999999999999999999B", &n));
}

static void mistakes_on_the_command_line_read_the_same(void)
{
    static const struct {
        int (*set)(struct qe_config *config, const struct qe_config_source *source, const char *text);
        const char *where, *text, *heard;
    } table[] = {
        {qe_config_set_name, "--name", "A", "E: --name is \"A\", expected " NAME_RULE "\n"},
        {qe_config_set_tun_name, "--tun-name", "a b", "E: --tun-name is \"a b\", expected " IF_RULE "\n"},
        {qe_config_set_tun_addr, "--tun-addr", "x", "E: --tun-addr is \"x\", expected " TUN_RULE "\n"},
        {qe_config_set_log_level, "--log-level", "x",
            "E: --log-level is \"x\", expected \"error\", \"warn\", \"info\" or \"debug\"\n"},
        {qe_config_add_listen, "--listen", "9000", "E: --listen is \"9000\", expected " BIND_RULE "\n"},
        {qe_config_add_peer, "--peer", "", "E: --peer is \"\", expected ID, NAME, ID@ADDR:PORT or NAME@ADDR:PORT\n"},
        {qe_config_add_peer, "--peer", "@1.2.3.4:5",
            "E: --peer is \"@1.2.3.4:5\", expected ID, NAME, ID@ADDR:PORT or NAME@ADDR:PORT\n"},
        {qe_config_add_peer, "--peer", LONG LONG "@1.2.3.4:5",
            "E: --peer is \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\", expected ID, NAME, "
            "ID@ADDR:PORT or NAME@ADDR:PORT\n"},
        {qe_config_add_peer, "--peer", "nobody@1.2.3.4:5",
            "E: --peer is \"nobody\", expected a node ID, or a name that [peers.names] or a [[peer]] knows\n"},
        {qe_config_add_peer, "--peer", A "@", "E: --peer is \"\", expected " DIAL_RULE "\n"},
        {qe_config_add_peer, "--peer", A "@home:5", "E: --peer is \"home:5\", expected " DIAL_RULE "\n"},
        {qe_config_add_bootstrap, "--bootstrap", "home", "E: --bootstrap is \"home\", expected " HOST_RULE "\n"},
        {qe_config_add_advertise, "--advertise-subnet", "10.0.0.1/8",
            "E: --advertise-subnet is \"10.0.0.1/8\", expected a subnet without host bits, such as 10.0.0.0/16\n"},
        {qe_config_add_accept, "--accept-subnet", "all",
            "E: --accept-subnet is \"all\", expected a subnet such as 10.0.0.0/16\n"},
        {qe_config_set_port, "--dht-port", "65536", "E: --dht-port is \"65536\", expected 1..65535\n"},
        {qe_config_set_port, "--dht-port", "0", "E: --dht-port is \"0\", expected 1..65535\n"},
        {qe_config_set_role, "--role", "boss", "E: --role is \"boss\", expected \"node\" or \"gateway\"\n"},
        {qe_config_add_gateway_prefer, "--gateway-prefer", "A B",
            "E: --gateway-prefer is \"A B\", expected a node ID or a name\n"},
        {qe_config_set_exit_node, "--exit-node", "", "E: --exit-node is \"\", expected a node ID or a name\n"},
        {qe_config_allow_peer, "--peer-allow", A "@1.2.3.4:5",
            "E: --peer-allow is \"" A "@1.2.3.4:5\", expected a node ID or a name\n"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct qe_config before;
        heard[0] = '\0';
        qe_config_init(&config, unit_mem());
        before = config;
        struct qe_config_source source = option(table[i].where);
        CU_ASSERT_EQUAL(table[i].set(&config, &source, table[i].text), -1);
        CU_ASSERT(heard_is(table[i].text, table[i].heard));
        CU_ASSERT_EQUAL(memcmp(&before, &config, sizeof(config)), 0);
        done();
    }
}

static void contradictions_on_the_command_line_are_mistakes(void)
{
    heard[0] = '\0';
    qe_config_init(&config, unit_mem());
    struct qe_config_source peer = option("--peer");
    CU_ASSERT_EQUAL(qe_config_add_peer(&config, &peer, A "@1.2.3.4:5"), 0);
    CU_ASSERT_EQUAL(qe_config_add_peer(&config, &peer, A), 0);
    CU_ASSERT_EQUAL(qe_config_add_peer(&config, &peer, A "@1.2.3.4:5"), 0);
    CU_ASSERT_EQUAL(qe_config_add_peer(&config, &peer, A "@1.2.3.4:6"), -1);
    CU_ASSERT(heard_is("peer", "E: --peer gives a peer a second address, expected only 1.2.3.4:5\n"));
    struct qe_config_source listen = option("--listen");
    heard[0] = '\0';
    CU_ASSERT_EQUAL(qe_config_add_listen(&config, &listen, "1.2.3.4:5"), 0);
    CU_ASSERT_EQUAL(qe_config_finish(&config, &sink), -1);
    CU_ASSERT(heard_is("listen", "E: peer " A " has the address 1.2.3.4:5, where this node listens, expected another "
                                 "one\n"));
    done();
}

// An ID that differs in its last bytes.
static struct qe_node_id numbered(uint64_t n)
{
    struct qe_node_id out = {{0}};
    for (int i = 0; i < 8; i++)
        out.bytes[19 - i] = (uint8_t)(n >> (8 * i));
    return out;
}

static void peers_and_names_are_bounded(void)
{
    heard[0] = '\0';
    qe_config_init(&config, unit_mem());
    struct qe_config_source source = option("--peer-allow");
    for (unsigned i = 0; i < QE_CONFIG_PEERS_MAX; i++) {
        struct qe_node_id node = numbered(i);
        CU_ASSERT_EQUAL(qe_config_put_peer(&config, &source, &node, NULL), 0);
    }
    struct qe_node_id more = numbered(QE_CONFIG_PEERS_MAX);
    CU_ASSERT_EQUAL(qe_config_put_peer(&config, &source, &more, NULL), -1);
    CU_ASSERT(heard_is("peers", "E: --peer-allow is one of too many peers, expected at most 1024\n"));
    heard[0] = '\0';
    struct qe_node_id known = numbered(5);
    CU_ASSERT_EQUAL(qe_config_put_peer(&config, &source, &known, NULL), 0);
    char name[16];
    for (unsigned i = 0; i < QE_CONFIG_NAMES_MAX; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        CU_ASSERT_EQUAL(qe_config_add_name(&config, &source, name, &known), 0);
    }
    CU_ASSERT_EQUAL(qe_config_add_name(&config, &source, "more", &known), -1);
    CU_ASSERT(heard_is("names", "E: --peer-allow is one of too many names, expected at most 1024\n"));
    CU_ASSERT_EQUAL(qe_config_finish(&config, &sink), 0);
    CU_ASSERT_STRING_EQUAL(qe_config_find_peer(&config, &known)->name, "n0");
    done();
}

// Against a naive model: an unsorted array in which each ID is looked for.
static void peers_stay_sorted_and_single(void)
{
    struct unit_random r = unit_random();
    uint64_t model[64];
    size_t count = 0;
    heard[0] = '\0';
    qe_config_init(&config, unit_mem());
    struct qe_config_source source = option("--peer");
    for (int round = 0; round < 1000; round++) {
        uint64_t n = unit_random_below(&r, 64) * UINT64_C(0x0123456789abcdef);
        struct qe_node_id node = numbered(n);
        size_t i = 0;
        while (i < count && model[i] != n)
            i++;
        CU_ASSERT_EQUAL(qe_config_find_peer(&config, &node) != NULL, i < count);
        if (i == count) model[count++] = n;
        CU_ASSERT_EQUAL(qe_config_put_peer(&config, &source, &node, NULL), 0);
        CU_ASSERT_EQUAL_FATAL(config.peer_count, count);
        for (size_t j = 1; j < count; j++)
            CU_ASSERT(qe_node_id_compare(&config.peers[j - 1].id, &config.peers[j].id) < 0);
    }
    done();
}

static void a_copy_stands_alone(void)
{
    CU_ASSERT_EQUAL(load("[[peer]]\nid = \"" A "\"\nname = \"home\"\n[peers]\nallowed = [\"nas\"]\n[network]\n"
                         "advertise_subnets = [\"10.1.0.0/16\"]\naccept_subnets = [\"10.2.0.0/16\"]\n"),
        0);
    CU_ASSERT_EQUAL(qe_config_finish(&config, &sink), 0);
    struct qe_config copy;
    CU_ASSERT_EQUAL(qe_config_copy(&copy, &config, unit_mem()), 0);
    qe_config_fini(&config);
    qe_config_fini(&config); // harmless
    struct qe_node_id node = id(A);
    CU_ASSERT_PTR_NOT_NULL(qe_config_find_peer(&copy, &node));
    CU_ASSERT_PTR_NOT_NULL(qe_config_find_name(&copy, "home"));
    for (unsigned long nth = 1; nth <= 6; nth++) {
        struct qe_config other;
        unit_mem_fail_at(nth);
        CU_ASSERT_EQUAL(qe_config_copy(&other, &copy, unit_mem()), -1);
        unit_mem_fail_at(0);
    }
    qe_config_fini(&copy);
    CU_ASSERT_EQUAL(unit_mem_outstanding(), 0);
}

static void every_failing_allocation_is_a_mistake(void)
{
    for (unsigned long nth = 1;; nth++) {
        unit_mem_fail_at(nth);
        int result = load("[[peer]]\nid = \"" A "\"\nname = \"home\"\n[peers]\nallowed = [\"" B "\", \"" C "\"]\n"
                          "[peers.names]\nphone = \"" C "\"\n");
        unit_mem_fail_at(0);
        if (result == 0) {
            CU_ASSERT_EQUAL(nth, 6); // three peers and two names
            CU_ASSERT_STRING_EQUAL(heard, "");
            done();
            return;
        }
        CU_ASSERT_PTR_NOT_NULL(strstr(heard, " does not fit into memory\n"));
        done();
        CU_ASSERT_FATAL(nth < 100);
    }
}

// The plain recursive definition.
static size_t naive_distance(const char *a, size_t i, const char *b, size_t j)
{
    if (i == 0 || j == 0) return i + j;
    size_t best = naive_distance(a, i - 1, b, j - 1) + (a[i - 1] != b[j - 1]);
    size_t other = naive_distance(a, i - 1, b, j) + 1;
    if (other < best) best = other;
    other = naive_distance(a, i, b, j - 1) + 1;
    if (other < best) best = other;
    if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        other = naive_distance(a, i - 2, b, j - 2) + 1;
        if (other < best) best = other;
    }
    return best;
}

static void distances_are_those_of_the_definition(void)
{
    CU_ASSERT_EQUAL(qe_nearest_distance("mtu", "mut"), 1);
    CU_ASSERT_EQUAL(qe_nearest_distance("", "abc"), 3);
    CU_ASSERT_EQUAL(qe_nearest_distance("kitten", "sitting"), 3);
    CU_ASSERT_EQUAL(qe_nearest_distance(LONG, "a"), SIZE_MAX);
    struct unit_random r = unit_random();
    for (int round = 0; round < 300; round++) {
        char a[8] = "", b[8] = "";
        size_t a_size = (size_t)unit_random_below(&r, 7), b_size = (size_t)unit_random_below(&r, 7);
        for (size_t i = 0; i < a_size; i++)
            a[i] = "abc"[unit_random_below(&r, 3)];
        for (size_t i = 0; i < b_size; i++)
            b[i] = "abc"[unit_random_below(&r, 3)];
        CU_ASSERT_EQUAL(qe_nearest_distance(a, b), naive_distance(a, a_size, b, b_size));
    }
}

static const struct unit_case cases[] = {
    {"defaults are those of the specification", defaults_are_those_of_the_specification},
    {"the personal example loads", the_personal_example_loads},
    {"the multipath example loads", the_multipath_example_loads},
    {"the enterprise example loads", the_enterprise_example_loads},
    {"every key arrives where it belongs", every_key_arrives_where_it_belongs},
    {"wrong values are named with what is expected", wrong_values_are_named_with_what_is_expected},
    {"unknown keys are mistakes with a suggestion", unknown_keys_are_mistakes_with_a_suggestion},
    {"peers are checked", peers_are_checked},
    {"syntax mistakes carry file and line", syntax_mistakes_carry_file_and_line},
    {"all mistakes are told, up to a bound", all_mistakes_are_told_up_to_a_bound},
    {"the default port moves the default addresses only", the_default_port_moves_the_default_addresses_only},
    {"the command line overrides the file", the_command_line_overrides_the_file},
    {"later words about discovery replace earlier ones", later_words_about_discovery_replace_earlier_ones},
    {"an empty list asks nobody", an_empty_list_asks_nobody},
    {"mistakes on the command line read the same", mistakes_on_the_command_line_read_the_same},
    {"contradictions on the command line are mistakes", contradictions_on_the_command_line_are_mistakes},
    {"peers and names are bounded", peers_and_names_are_bounded},
    {"later words about gateways replace earlier ones", later_words_about_gateways_replace_earlier_ones},
    {"an exit uses none", an_exit_uses_none},
    {"quantities are written as they are read", quantities_are_written_as_they_are_read},
    {"peers stay sorted and single", peers_stay_sorted_and_single},
    {"a copy stands alone", a_copy_stands_alone},
    {"every failing allocation is a mistake", every_failing_allocation_is_a_mistake},
    {"distances are those of the definition", distances_are_those_of_the_definition},
};
UNIT_MAIN("config", cases)
