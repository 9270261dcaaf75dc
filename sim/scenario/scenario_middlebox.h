// What the readers of [host.nat] and [host.firewall] share.
#ifndef QE_SIM_SCENARIO_MIDDLEBOX_H
#define QE_SIM_SCENARIO_MIDDLEBOX_H

#include "scenario/scenario.h"

extern const char *const sim_dependence_words[], *const sim_refresh_words[];

// A number in [min, max], where the table has it.
void sim_parse_integer(struct sim_reader *r, const struct qe_toml_value *table, const char *key, uint64_t min,
    uint64_t max, uint32_t *out);
void sim_parse_nat(struct sim_reader *r, const struct qe_toml_value *table, struct sim_scenario_middlebox *middlebox);
void sim_parse_firewall(
    struct sim_reader *r, const struct qe_toml_value *table, struct sim_scenario_middlebox *middlebox);

#endif
