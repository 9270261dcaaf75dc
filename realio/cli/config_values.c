#include "cli/config_values.h"

#include "cli/start.h"

#include <inttypes.h>
#include <string.h>

json_t *qe_config_values(const struct qe_toml_value *value)
{
    json_t *out;
    switch (qe_toml_kind(value)) {
    case QE_TOML_TABLE:
        out = json_object();
        for (size_t i = 0; out && i < qe_toml_size(value); i++)
            json_object_set_new(out, qe_toml_key(value, i), qe_config_values(qe_toml_at(value, i)));
        return out;
    case QE_TOML_ARRAY:
        out = json_array();
        for (size_t i = 0; out && i < qe_toml_size(value); i++)
            json_array_append_new(out, qe_config_values(qe_toml_at(value, i)));
        return out;
    case QE_TOML_STRING:
        return json_string(qe_toml_string(value, NULL));
    case QE_TOML_INTEGER:
        return json_integer(qe_toml_integer(value));
    case QE_TOML_FLOAT:
        return json_real(qe_toml_float(value));
    case QE_TOML_BOOLEAN:
        return json_boolean(qe_toml_boolean(value));
    case QE_TOML_DATETIME:
        break; // no key has one
    }
    return json_null();
}

static void ignore(void *user, enum qe_log_level level, const char *line)
{
    (void)user, (void)level, (void)line;
}

json_t *qe_config_default_values(void)
{
    struct qe_config c;
    const struct qe_config_sink sink = {NULL, ignore};
    qe_config_init(&c, &qe_cli_heap);
    qe_config_finish(&c, &sink);
    json_t *listen = json_array();
    for (size_t i = 0; i < c.listen_count; i++) {
        char text[QE_ADDR_TEXT_SIZE];
        json_array_append_new(listen, json_string(qe_addr_format(&c.listen[i], text)));
    }
    json_t *out =
        json_pack("{s:{s:s}, s:{s:s, s:i, s:o, s:[], s:b, s:b, s:b, s:s, s:b}, s:{s:[], s:[]}, "
                  "s:{s:s, s:b, s:s, s:s, s:s}, s:{s:b, s:b}, s:{s:[]}, s:{s:s}, s:{s:i}, s:{s:i, s:[s], s:b, s:b}}",
            "node", "role", c.gateway ? "gateway" : "node",                                              //
            "network", "tun_name", c.tun_name, "mtu", (int)c.mtu, "listen", listen, "advertise_subnets", //
            "forward", c.forward, "masquerade", c.masquerade, "dns", c.dns, "exit_node", "none", "exit_leak",
            c.exit_leak, "gateway", "prefer", "allow", //
            "relay", "allow", qe_relay_allow_name(c.relay.allow), "emergency", c.relay.emergency, "rate", "unlimited",
            "total_rate", "unlimited", "volume", "unlimited",                             //
            "nat", "port_mapping", c.port_mapping, "birthday", c.birthday,                //
            "peers", "allowed", "monitoring", "log_level", "info",                        //
            "performance", "lanes", (int)c.lanes,                                         //
            "discovery", "dht_port", (int)c.port, "bootstrap_nodes", c.bootstrap[0].text, //
            "bootstrap_mode", c.bootstrap_mode, "mainline", c.mainline);
    qe_config_fini(&c);
    return out;
}

void qe_config_put_value(const json_t *value, FILE *out)
{
    size_t i;
    json_t *item;
    const char *key, *between = "";
    if (json_is_array(value)) {
        fputs("[", out);
        json_array_foreach((json_t *)(uintptr_t)value, i, item)
        {
            fputs(between, out);
            qe_config_put_value(item, out);
            between = ", ";
        }
        fputs("]", out);
    } else if (json_is_object(value)) {
        fputs("{", out);
        json_object_foreach((json_t *)(uintptr_t)value, key, item)
        {
            fprintf(out, "%s \"%s\" = ", between, key);
            qe_config_put_value(item, out);
            between = ",";
        }
        fputs(" }", out);
    } else {
        // JSON's strings, numbers and truth values are TOML's.
        json_dumpf(value, out, JSON_ENCODE_ANY);
    }
}
