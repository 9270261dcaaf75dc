// The commands of quicether-sim and what they share. Each has a file of its own and a line in the table of main.c.
#ifndef QE_SIM_COMMAND_H
#define QE_SIM_COMMAND_H

#include "scenario/template.h"
#include "sweep/plan.h"

#include <stdbool.h>
#include <stdint.h>

// Exit statuses; the manual page documents them.
enum {
    SIM_EXIT_PASS = 0,
    SIM_EXIT_FAIL = 1,  // a run fails
    SIM_EXIT_USAGE = 2, // the command line or a file is wrong
};

#define SIM_RUNS_AT_ONCE_MAX 256

// Each takes its own arguments, its name first, and gives the exit status.
int sim_command_check(int argc, char **argv);
int sim_command_dht(int argc, char **argv);
int sim_command_merge(int argc, char **argv);
int sim_command_plot(int argc, char **argv);
int sim_command_run(int argc, char **argv);
// A capture as hostile input of a node (cli/hostile.c).
int sim_command_hostile(const char *file);
int sim_command_redact(int argc, char **argv);
int sim_command_replay(int argc, char **argv);
int sim_command_keygen(int argc, char **argv);
int sim_command_show(int argc, char **argv);
int sim_command_shrink(int argc, char **argv);
int sim_command_sweep(int argc, char **argv);

// Says on standard error what is wrong with the command line ("WHAT VALUE; see …"; value may be NULL); SIM_EXIT_USAGE.
int sim_complain(const char *what, const char *value);
// Says what errno says about a file; SIM_EXIT_USAGE.
int sim_complain_file(const char *path);

// Decimal numbers, whole texts: false where it is not one from min to max.
bool sim_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out);
bool sim_parse_count(const char *text, unsigned max, unsigned *out);
// "7" or "1..100".
bool sim_parse_seeds(const char *text, struct sim_seed_range *out);

// Loads a scenario file and checks its hosts' configurations, too; NULL after saying what is wrong.
struct sim_template *sim_command_load(const char *file, unsigned lanes);
// Whether the hosts' configurations are right; `error` says what is not. lanes: an unsigned, as for sim_command_load.
bool sim_command_accept(void *lanes, const struct sim_scenario *scenario, char error[SIM_ERROR_SIZE]);

// Files that the tree names relative to the scenario `from`: so that they are found from the scenario `to` as well, in
// the same folder by the same name, from any other (NULL: any) by their whole path. False where there is no such
// folder.
bool sim_command_move(struct sim_tree *tree, const char *from, const char *to);

// Monotonic.
uint64_t sim_wall_clock_ms(void);
uint64_t sim_wall_clock_us(void);

#endif
