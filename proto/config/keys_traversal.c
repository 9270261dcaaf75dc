// Keys about gateways, exits and NATs.
#include "config/keys.h"

#define READER(name) static QE_READER(name)

QE_READER(qe_read_role)
{
    (void)key;
    qe_loader_set(l, path, value, qe_config_set_role);
}

QE_READER(qe_read_exit_node)
{
    (void)key;
    qe_loader_set(l, path, value, qe_config_set_exit_node);
}

QE_READER(qe_read_exit_leak)
{
    (void)key;
    qe_loader_bool(l, path, value, &l->config->exit_leak);
}

QE_READER(qe_read_notify_command)
{
    (void)key;
    qe_loader_set(l, path, value, qe_config_set_notify_command);
}

READER(read_prefer)
{
    (void)key;
    qe_loader_list(
        l, path, value, "an array of node IDs and names", qe_config_no_gateway_prefer, qe_config_add_gateway_prefer);
}

READER(read_allow)
{
    (void)key;
    qe_loader_list(
        l, path, value, "an array of node IDs and names", qe_config_no_gateway_allow, qe_config_add_gateway_allow);
}

READER(read_port_mapping)
{
    (void)key;
    qe_loader_bool(l, path, value, &l->config->port_mapping);
}

READER(read_birthday)
{
    (void)key;
    qe_loader_bool(l, path, value, &l->config->birthday);
}

READER(read_relay_allow)
{
    (void)key;
    qe_loader_set(l, path, value, qe_config_set_relay_allow);
}

READER(read_emergency)
{
    (void)key;
    qe_loader_bool(l, path, value, &l->config->relay.emergency);
}

READER(read_rate)
{
    (void)key;
    qe_loader_set(l, path, value, qe_config_set_relay_rate);
}

READER(read_total_rate)
{
    (void)key;
    qe_loader_set(l, path, value, qe_config_set_relay_total_rate);
}

READER(read_volume)
{
    (void)key;
    qe_loader_set(l, path, value, qe_config_set_relay_volume);
}

const struct qe_setting qe_gateway_keys[] = {
    {"allow", read_allow, NULL, NULL},
    {"prefer", read_prefer, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};
const struct qe_setting qe_nat_keys[] = {
    {"birthday", read_birthday, NULL, NULL},
    {"port_mapping", read_port_mapping, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};
const struct qe_setting qe_relay_keys[] = {
    {"allow", read_relay_allow, NULL, NULL},
    {"emergency", read_emergency, NULL, NULL},
    {"rate", read_rate, NULL, NULL},
    {"total_rate", read_total_rate, NULL, NULL},
    {"volume", read_volume, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};
