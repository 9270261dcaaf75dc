// Quantities as text, and figures of lists.
#include "scenario/measure.h"
#include "scenario/units.h"
#include "unit.h"

#include <string.h>

static void quantities_are_read_exactly(void)
{
    static const struct {
        const char *text;
        uint64_t ns; // UINT64_MAX: refused
    } durations[] = {{"15ms", 15000000}, {"1.5s", 1500000000}, {"0.000000001s", 1}, {"3ns", 3}, {"2min", 120000000000},
        {"1h", 3600000000000}, {"20us", 20000}, {"0s", 0}, {"10 ms", 10000000}, {"1.0000000000s", 1000000000},
        {"0.5ns", UINT64_MAX}, {"0.0000000001s", UINT64_MAX}, {"", UINT64_MAX}, {"s", UINT64_MAX}, {"-1s", UINT64_MAX},
        {"1", UINT64_MAX}, {"1.s", UINT64_MAX}, {".5s", UINT64_MAX}, {"1.2.3s", UINT64_MAX}, {"1e3s", UINT64_MAX},
        {"1sec", UINT64_MAX}, {"1s ", UINT64_MAX}, {"1  s", UINT64_MAX}, {"18446744073709551615ns", UINT64_MAX},
        {"99999999999999999999999s", UINT64_MAX}, {"9999999999h", UINT64_MAX}};
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        uint64_t ns = 7;
        bool read = sim_duration_parse(durations[i].text, &ns);
        CU_ASSERT_EQUAL(read, durations[i].ns != UINT64_MAX);
        if (read) CU_ASSERT_EQUAL(ns, durations[i].ns);
    }
    uint64_t value;
    uint32_t ppb;
    CU_ASSERT_TRUE(sim_rate_parse("2.5Gbit/s", &value) && value == 2500000000);
    CU_ASSERT_TRUE(sim_rate_parse("10kbit/s", &value) && value == 10000);
    CU_ASSERT_FALSE(sim_rate_parse("0.5bit/s", &value));
    CU_ASSERT_FALSE(sim_rate_parse("10Mb/s", &value));
    CU_ASSERT_TRUE(sim_size_parse("64KiB", &value) && value == 65536);
    CU_ASSERT_TRUE(sim_size_parse("1.5kB", &value) && value == 1500);
    CU_ASSERT_FALSE(sim_size_parse("1.5B", &value));
    CU_ASSERT_TRUE(sim_packets_parse("25packets", &value) && value == 25);
    CU_ASSERT_TRUE(sim_chance_parse("0.5%", &ppb) && ppb == 5000000);
    CU_ASSERT_TRUE(sim_chance_parse("0.0000001%", &ppb) && ppb == 1);
    CU_ASSERT_TRUE(sim_chance_parse("100%", &ppb) && ppb == SIM_CHANCE_ONE);
    CU_ASSERT_FALSE(sim_chance_parse("0.00000001%", &ppb));
    CU_ASSERT_FALSE(sim_chance_parse("100.1%", &ppb));
    CU_ASSERT_FALSE(sim_chance_parse("5", &ppb));
}

static void quantities_are_written_as_they_are_read(void)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } durations[] = {{0, "0s"}, {1, "1ns"}, {999, "999ns"}, {1000, "1us"}, {1500, "1.5us"}, {15000000, "15ms"},
        {1500000000, "1.5s"}, {7200000000000, "7200s"}, {1000001, "1000.001us"}, {1234567890, "1234567.89us"}};
    char out[SIM_UNITS_TEXT_SIZE];
    struct unit_random random = unit_random();
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++)
        CU_ASSERT_STRING_EQUAL(sim_duration_format(durations[i].ns, out), durations[i].text);
    for (int i = 0; i < 10000; i++) {
        uint64_t ns = unit_random_next(&random) >> (2 + unit_random_below(&random, 60)), again = 1;
        CU_ASSERT_TRUE(sim_duration_parse(sim_duration_format(ns, out), &again) && again == ns);
        CU_ASSERT_TRUE(sim_rate_parse(sim_rate_format(ns, out), &again) && again == ns);
        uint32_t ppb = (uint32_t)unit_random_below(&random, SIM_CHANCE_ONE + 1), other = 1;
        CU_ASSERT_TRUE(sim_chance_parse(sim_chance_format(ppb, out), &other) && other == ppb);
    }
}

static void percentiles_are_by_the_nearest_rank(void)
{
    uint64_t values[] = {50, 10, 40, 20, 30};
    sim_sort(values, 5);
    CU_ASSERT_EQUAL(values[0], 10);
    CU_ASSERT_EQUAL(sim_percentile(values, 5, 0), 10);
    CU_ASSERT_EQUAL(sim_percentile(values, 5, 200), 10);
    CU_ASSERT_EQUAL(sim_percentile(values, 5, 201), 20);
    CU_ASSERT_EQUAL(sim_percentile(values, 5, 500), 30);
    CU_ASSERT_EQUAL(sim_percentile(values, 5, 990), 50);
    CU_ASSERT_EQUAL(sim_percentile(values, 5, 1000), 50);
    CU_ASSERT_EQUAL(sim_percentile(values, 0, 500), 0);
}

static const struct unit_case cases[] = {
    {"quantities are read exactly", quantities_are_read_exactly},
    {"quantities are written as they are read", quantities_are_written_as_they_are_read},
    {"percentiles are by the nearest rank", percentiles_are_by_the_nearest_rank},
};
UNIT_MAIN("measure", cases)
