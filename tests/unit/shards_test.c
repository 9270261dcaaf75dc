// Files of results: what is wrong with one is found, and two that do not belong together are told apart.
#include "sweep/shard_file.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH   "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define DIGEST "00112233445566778899aabbccddeeff"
#define RUN(name, seed, verdict)                                                                                       \
    "{\"scenario\":\"" name "\",\"seed\":" seed ",\"engine\":\"sim\",\"verdict\":\"" verdict                           \
    "\",\"trace_hash\":\"" HASH                                                                                        \
    "\",\"expectations\":[{\"what\":\"flow x lost\",\"expected\":\"at most 3\",\"measured\":\"4\","                    \
    "\"verdict\":\"" verdict "\"}],\"virtual_ms\":1,\"wall_ms\":7}"
#define SWEEP(shards, planned, done)                                                                                   \
    "\"sweep\":{\"version\":\"1\",\"lanes\":0,\"first_seed\":5,\"seeds\":2,\"scenarios\":[{\"name\":\"one\","          \
    "\"file\":\"d/one.toml\",\"digest\":\"" DIGEST "\"}],\"shards\":" shards ",\"planned\":" planned ",\"done\":" done \
    "}"
#define BOTH "{\"runs\":[" RUN("one", "6", "fail") "," RUN("one", "5", "pass") "]," SWEEP("[\"1/1\"]", "2", "2") "}"

static struct sim_shard_file *read_it(const char *text, char *error)
{
    error[0] = '\0';
    return sim_shard_file_parse("f.json", text, strlen(text), error);
}

static void what_was_written_is_read(void)
{
    char error[SIM_SHARD_FILE_ERROR_SIZE];
    struct sim_shard_file *file = read_it(BOTH, error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(file->run_count, 2);
    CU_ASSERT_EQUAL(file->runs[0].record.seed, 5);
    CU_ASSERT_EQUAL(file->runs[0].record.verdict, SIM_PASS);
    CU_ASSERT_EQUAL(file->runs[0].record.wall_ms, 7);
    CU_ASSERT_EQUAL(file->runs[1].record.verdict, SIM_FAIL);
    CU_ASSERT_PTR_NOT_NULL(strstr(file->runs[1].record.text, "FAIL  flow x lost: 4 (at most 3)"));
    CU_ASSERT_PTR_NOT_NULL(strstr(file->runs[1].record.text, "rerun: quicether-sim run d/one.toml --seed 6\n"));
    sim_shard_file_free(file);
}

static void every_mistake_is_named(void)
{
    static const struct {
        const char *text, *says;
    } mistakes[] = {
        {"", "damaged"},
        {"{\"runs\":[" RUN("one", "5", "pass"), "damaged"},
        {"[]", "no \"runs\""},
        {"{\"runs\":[]}", "no \"sweep\""},
        {"{\"runs\":{}," SWEEP("[\"1/1\"]", "2", "0") "}", "no \"runs\""},
        {"{\"runs\":[" RUN("one", "5", "pass") "]," SWEEP("[\"1/1\"]", "2", "2") "}", "it has 1 runs; expected 2"},
        {"{\"runs\":[" RUN("one", "5", "pass") "]," SWEEP("[\"1/1\"]", "2", "1") "}", "1 of its runs are missing"},
        {"{\"runs\":[" RUN("one", "5", "pass") "," RUN("one", "5", "pass") "]," SWEEP("[\"1/1\"]", "2", "2") "}",
            "scenario 'one' seed 5 is in it twice"},
        {"{\"runs\":[" RUN("one", "5", "pass") "," RUN("two", "5", "pass") "]," SWEEP("[\"1/1\"]", "2", "2") "}",
            "scenario 'two', which the sweep has not"},
        {"{\"runs\":[" RUN("one", "5", "pass") "," RUN("one", "7", "pass") "]," SWEEP("[\"1/1\"]", "2", "2") "}",
            "seed 7, which the sweep has not"},
        {"{\"runs\":[" RUN("one", "5", "pass") "," RUN("one", "6", "fine") "]," SWEEP("[\"1/1\"]", "2", "2") "}",
            "\"verdict\" is wrong"},
        {"{\"runs\":[" RUN("one", "5", "pass") "," RUN("one", "-6", "pass") "]," SWEEP("[\"1/1\"]", "2", "2") "}",
            "\"seed\" is missing or wrong"},
        {"{\"runs\":[]," SWEEP("[\"1/1\"]", "3", "0") "}", "\"planned\" does not agree"},
        {"{\"runs\":[]," SWEEP("[]", "2", "0") "}", "\"shards\" is missing or wrong"},
        {"{\"runs\":[]," SWEEP("[\"1/2\",\"1/2\"]", "2", "0") "}", "\"shards\" is wrong"},
        {"{\"runs\":[]," SWEEP("[\"3/2\"]", "2", "0") "}", "\"shards\" is wrong"},
        {"{\"runs\":[5," RUN("one", "5", "pass") "]," SWEEP("[\"1/1\"]", "2", "2") "}",
            "\"scenario\" is missing or wrong"},
    };
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
        char error[SIM_SHARD_FILE_ERROR_SIZE];
        CU_ASSERT_PTR_NULL(read_it(mistakes[i].text, error));
        CU_ASSERT_PTR_NOT_NULL(strstr(error, "f.json: "));
        if (!strstr(error, mistakes[i].says)) printf("%s\n  not: %s\n", error, mistakes[i].says);
        CU_ASSERT_PTR_NOT_NULL(strstr(error, mistakes[i].says));
    }
}

// A file cut short anywhere is refused, and so is one with a changed byte, unless only a text in it changed.
static void no_part_of_a_file_is_taken_for_a_file(void)
{
    char error[SIM_SHARD_FILE_ERROR_SIZE], text[sizeof(BOTH)] = BOTH;
    for (size_t size = 0; size + 1 < sizeof(BOTH); size++)
        CU_ASSERT_PTR_NULL(sim_shard_file_parse("f.json", text, size, error));
    struct unit_random r = unit_random();
    for (int i = 0; i < 20000; i++) {
        memcpy(text, BOTH, sizeof(text));
        text[unit_random_below(&r, sizeof(text) - 1)] = (char)unit_random_next(&r);
        sim_shard_file_free(sim_shard_file_parse("f.json", text, sizeof(text) - 1, error));
    }
}

static void a_run_of_another_shard_is_refused(void)
{
    char error[SIM_SHARD_FILE_ERROR_SIZE];
    uint32_t first = sim_shard_of(0, 2); // who has seed 5
    const char *right = first == 1 ? "{\"runs\":[" RUN("one", "5", "pass") "]," SWEEP("[\"1/2\"]", "1", "1") "}"
                                   : "{\"runs\":[" RUN("one", "6", "pass") "]," SWEEP("[\"1/2\"]", "1", "1") "}";
    const char *wrong = first == 2 ? "{\"runs\":[" RUN("one", "5", "pass") "]," SWEEP("[\"1/2\"]", "1", "1") "}"
                                   : "{\"runs\":[" RUN("one", "6", "pass") "]," SWEEP("[\"1/2\"]", "1", "1") "}";
    struct sim_shard_file *file = read_it(right, error), *other = read_it(right, error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_FALSE(sim_shard_files_fit(file, other, error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "it is of shard 1/2, as f.json is"));
    sim_shard_file_free(other);
    other = read_it(BOTH, error);
    CU_ASSERT_FALSE(sim_shard_files_fit(file, other, error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "another number of shards"));
    sim_shard_file_free(other);
    sim_shard_file_free(file);
    CU_ASSERT_PTR_NULL(read_it(wrong, error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "is not in its shards"));
}

// XML takes no control characters, and no bytes that are not UTF-8.
static void junit_escapes_what_xml_does_not_take(void)
{
    struct sim_sweep_file name = {.path = "a\"<>&.toml", .name = "one"};
    struct sim_sweep sweep = {.plan = {1, {1, 1}}, .files = &name};
    struct sim_results results;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    sim_results_init(&results, &sweep);
    sim_results_add(
        &results, &(struct sim_run_record){.seed = 1,
                      .verdict = SIM_FAIL,
                      .wall_ms = 1234,
                      .text = strdup("a<b & \x01 \xc3\xa9 \xff \xed\xa0\x80 \xf0\x9f\x98\x80 \xc0\x80 \xe2\x82..")});
    sim_results_junit(&results, out);
    fclose(out);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "a&#60;b &#38; ? \xc3\xa9 ? ?\?\? \xf0\x9f\x98\x80 ?\? ?\?..</failure>"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "file=\"a&#34;&#60;&#62;&#38;.toml\" time=\"1.234\""));
    free(text);
    sim_results_fini(&results);
}

static const struct unit_case cases[] = {
    {"what was written is read", what_was_written_is_read},
    {"every mistake is named", every_mistake_is_named},
    {"no part of a file is taken for a file", no_part_of_a_file_is_taken_for_a_file},
    {"a run of another shard is refused", a_run_of_another_shard_is_refused},
    {"JUnit escapes what XML does not take", junit_escapes_what_xml_does_not_take},
};
UNIT_MAIN("shards", cases)
