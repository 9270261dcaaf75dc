#include "cli/command.h"

#include "host/configs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int sim_complain(const char *what, const char *value)
{
    fprintf(stderr, "quicether-sim: %s%s%s; see quicether-sim --help\n", what, value ? " " : "", value ? value : "");
    return SIM_EXIT_USAGE;
}

int sim_complain_file(const char *path)
{
    fprintf(stderr, "quicether-sim: %s: %s\n", path, strerror(errno));
    return SIM_EXIT_USAGE;
}

// A decimal number from min to max, ended by the character `end`.
static bool parse_until(const char *text, char end, uint64_t min, uint64_t max, uint64_t *out, const char **rest)
{
    char *stop;
    if (*text < '0' || *text > '9') return false;
    errno = 0;
    unsigned long long value = strtoull(text, &stop, 10);
    if (errno || *stop != end || value < min || value > max) return false;
    *out = value;
    if (rest) *rest = stop;
    return true;
}

bool sim_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    return parse_until(text, '\0', min, max, out, NULL);
}

bool sim_parse_count(const char *text, unsigned max, unsigned *out)
{
    uint64_t value;
    if (!sim_parse_number(text, 1, max, &value)) return false;
    *out = (unsigned)value;
    return true;
}

bool sim_parse_seeds(const char *text, struct sim_seed_range *out)
{
    uint64_t first, last;
    const char *rest;
    if (sim_parse_number(text, 0, INT64_MAX, &first)) {
        *out = (struct sim_seed_range){first, 1};
        return true;
    }
    if (!parse_until(text, '.', 0, INT64_MAX, &first, &rest) || strncmp(rest, "..", 2) != 0 ||
        !sim_parse_number(rest + 2, first, INT64_MAX, &last) || last - first >= SIM_SEEDS_MAX)
        return false;
    *out = (struct sim_seed_range){first, last - first + 1};
    return true;
}

bool sim_command_accept(void *lanes, const struct sim_scenario *scenario, char error[SIM_ERROR_SIZE])
{
    struct qe_config *configs = sim_configs_new(scenario, scenario->seed, *(unsigned *)lanes, error);
    if (configs) sim_configs_free(configs, scenario);
    return configs != NULL;
}

struct sim_template *sim_command_load(const char *file, unsigned lanes)
{
    char error[SIM_ERROR_SIZE];
    struct sim_template *template = sim_template_load(file, error);
    if (template && sim_command_accept(&lanes, sim_template_face(template), error)) return template;
    fprintf(stderr, "%s\n", error);
    sim_template_free(template);
    return NULL;
}

uint64_t sim_wall_clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t sim_wall_clock_ms(void)
{
    return sim_wall_clock_us() / 1000;
}
