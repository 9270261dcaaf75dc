// The tree that can be changed, its canonical text, and templates that have nothing to expand.
#include "engine/memory.h"
#include "scenario/template.h"
#include "unit.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>

static char error[SIM_ERROR_SIZE];

static struct sim_tree *tree_of(const char *text)
{
    struct qe_toml *toml = sim_scenario_syntax("f.toml", text, strlen(text), error);
    if (!toml) {
        fprintf(stderr, "%s in\n%s", error, text);
        return NULL;
    }
    struct sim_tree *tree = sim_tree_from_toml(qe_toml_root(toml));
    qe_toml_free(toml);
    return tree;
}

static char *print(const struct sim_tree *tree)
{
    const struct sim_tree *refused;
    return sim_tree_print(tree, &refused);
}

// Printing and parsing gives an equal tree, and printing that gives the same text.
static void check_round_trip(const struct sim_tree *tree)
{
    char *text = print(tree);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    struct sim_tree *again = tree_of(text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(again);
    CU_ASSERT(sim_tree_equal(tree, again));
    char *twice = print(again);
    CU_ASSERT_STRING_EQUAL(text, twice);
    sim_release(twice);
    sim_release(text);
    sim_tree_free(again);
}

static void the_text_is_canonical(void)
{
    static const struct {
        const char *from, *to;
    } texts[] = {
        {"", ""},
        {"b = 'x'\na = [ 1,2 ]", "b = \"x\"\na = [1, 2]\n"},
        {"t = {}\n[u]\nx = true\n", "[t]\n\n[u]\nx = true\n"},
        {"[u.v]\nx = 0x10\n[u]\ny = 1\n", "[u]\ny = 1\n\n[u.v]\nx = 16\n"},
        {"[a.b.c]\nx = -9223372036854775808", "[a.b.c]\nx = -9223372036854775808\n"},
        {"e = []\nm = [1, {x = 1, t = {}, y = [{}]}]\n", "e = []\nm = [1, {x = 1, t = {}, y = [{}]}]\n"},
        {"h = [{n = 1}, {n = 2, l = [{k = 3}]}]", "[[h]]\nn = 1\n\n[[h]]\nn = 2\n\n[[h.l]]\nk = 3\n"},
        {"'a b'.\"\" = 1\n", "[\"a b\"]\n\"\" = 1\n"},
        {"s = \"\\\"\\\\\\t\\u0001\\u007f\\u20ac\"", "s = \"\\\"\\\\\\t\\u0001\\u007F\xe2\x82\xac\"\n"},
        {"s = \"a\\n\\\"\\\"\\\"b\\r\\n\"", "s = \"\"\"\na\n\\\"\\\"\\\"b\\u000D\n\"\"\"\n"},
        {"f = [1.0, -0.0, 1e300, inf, -inf, nan, 0.1]",
            "f = [1.0, -0.0, 1.0000000000000001e+300, inf, -inf, nan, 0.10000000000000001]\n"},
        {"l = [\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\", "
         "\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"]",
            "l = [\n    \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\n"
            "    \"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\",\n]\n"},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct sim_tree *tree = tree_of(texts[i].from);
        CU_ASSERT_PTR_NOT_NULL_FATAL(tree);
        char *text = print(tree);
        CU_ASSERT_STRING_EQUAL(text, texts[i].to);
        if (strcmp(text, texts[i].to) != 0) fprintf(stderr, "%s, not %s\n", text, texts[i].to);
        sim_release(text);
        check_round_trip(tree);
        sim_tree_free(tree);
    }
}

static void dates_are_refused(void)
{
    struct sim_tree *tree = tree_of("a = 1\nb = [\n{d = 1979-05-27}]\n");
    const struct sim_tree *refused;
    CU_ASSERT_PTR_NULL(sim_tree_print(tree, &refused));
    CU_ASSERT_FATAL(refused && refused->kind == QE_TOML_DATETIME);
    CU_ASSERT_EQUAL(refused->line, 3);
    sim_tree_free(tree);
}

static void what_is_put_replaces_or_is_last(void)
{
    struct sim_tree *tree = tree_of("a = 1\nb = 2\n[c]\nd = 3\n");
    sim_tree_put(tree, "a", sim_tree_string("x", 9));
    sim_tree_put(tree, "e", sim_tree_boolean(false, 9));
    sim_tree_put(sim_tree_get(tree, "c"), "f", sim_tree_integer(4, 9));
    sim_tree_drop(tree, "b");
    sim_tree_drop(tree, "none");
    CU_ASSERT_PTR_NULL(sim_tree_get(tree, "b"));
    CU_ASSERT_PTR_NULL(sim_tree_get(sim_tree_get(tree, "e"), "x"));
    CU_ASSERT_STRING_EQUAL(sim_tree_text(tree, "a"), "x");
    CU_ASSERT_PTR_NULL(sim_tree_text(tree, "e"));
    char *text = print(tree);
    CU_ASSERT_STRING_EQUAL(text, "a = \"x\"\ne = false\n\n[c]\nd = 3\nf = 4\n");
    sim_release(text);
    check_round_trip(tree);
    sim_tree_free(tree);
}

static void a_copy_is_equal_until_it_changes(void)
{
    struct sim_tree *tree = tree_of("a = [1, [true]]\n[[t]]\nk = \"v\"\n[[t]]\n");
    struct sim_tree *copy = sim_tree_copy(tree);
    CU_ASSERT(sim_tree_equal(tree, copy));
    sim_tree_remove(sim_tree_get(copy, "t"), 1);
    CU_ASSERT(!sim_tree_equal(tree, copy));
    sim_tree_append(sim_tree_get(copy, "t"), sim_tree_new(QE_TOML_TABLE, 7));
    CU_ASSERT(sim_tree_equal(tree, copy));
    sim_tree_get(copy, "a")->items[1]->items[0]->boolean = false;
    CU_ASSERT(!sim_tree_equal(tree, copy));
    sim_tree_free(copy);
    sim_tree_free(tree);
    struct sim_tree *swapped = tree_of("b = 1\na = 1\n"), *other = tree_of("a = 1\nb = 1\n");
    CU_ASSERT(!sim_tree_equal(swapped, other));
    sim_tree_free(swapped);
    sim_tree_free(other);
}

static bool same_values(const struct qe_toml_value *a, const struct qe_toml_value *b)
{
    if (qe_toml_kind(a) != qe_toml_kind(b) || qe_toml_line(a) != qe_toml_line(b)) return false;
    if (qe_toml_kind(a) == QE_TOML_STRING) return strcmp(qe_toml_string(a, NULL), qe_toml_string(b, NULL)) == 0;
    if (qe_toml_kind(a) == QE_TOML_INTEGER) return qe_toml_integer(a) == qe_toml_integer(b);
    if (qe_toml_kind(a) == QE_TOML_BOOLEAN) return qe_toml_boolean(a) == qe_toml_boolean(b);
    if (qe_toml_kind(a) == QE_TOML_FLOAT) return qe_toml_float(a) == qe_toml_float(b);
    if (qe_toml_kind(a) == QE_TOML_DATETIME) return true;
    if (qe_toml_size(a) != qe_toml_size(b)) return false;
    for (size_t i = 0; i < qe_toml_size(a); i++) {
        if (qe_toml_kind(a) == QE_TOML_TABLE && strcmp(qe_toml_key(a, i), qe_toml_key(b, i)) != 0) return false;
        if (!same_values(qe_toml_at(a, i), qe_toml_at(b, i))) return false;
    }
    return true;
}

// What the readers get is what the parser gave, with its lines.
static void the_tree_for_readers_is_the_parsers(void)
{
    static const char text[] =
        "a = 1\nf = 1.5\nd = 1979-05-27\n[[t]]\nk = \"v\"\n[t.u]\nb = true\n[[t]]\n[x.y]\nz = [1, {q = 2}]\n";
    struct qe_toml *toml = sim_scenario_syntax("f.toml", text, strlen(text), error);
    struct sim_tree *tree = sim_tree_from_toml(qe_toml_root(toml));
    struct qe_toml *made = sim_tree_to_toml(tree);
    CU_ASSERT_FATAL(made != NULL);
    CU_ASSERT(same_values(qe_toml_root(toml), qe_toml_root(made)));
    qe_toml_free(made);
    qe_toml_free(toml);
    sim_tree_free(tree);
}

static void every_scenario_of_the_tree_survives(void)
{
    glob_t files = {0};
    CU_ASSERT_FATAL(glob(QE_SCENARIOS "/*.toml", 0, NULL, &files) == 0);
    glob(QE_SCENARIOS "/*/*.toml", GLOB_APPEND, NULL, &files);
    CU_ASSERT(files.gl_pathc > 5);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        if (strstr(files.gl_pathv[i], "/scenarios/dht/")) continue; // of quicether-sim dht, a language of its own
        struct sim_template *template = sim_template_load(files.gl_pathv[i], error);
        if (!template) fprintf(stderr, "%s\n", error);
        CU_ASSERT_PTR_NOT_NULL_FATAL(template);
        struct sim_tree *tree = sim_template_tree(template, 7, error);
        CU_ASSERT_PTR_NOT_NULL_FATAL(tree);
        CU_ASSERT_EQUAL(sim_tree_get(sim_tree_get(tree, "scenario"), "seed")->integer, 7);
        check_round_trip(tree);
        sim_tree_free(tree);
        sim_template_free(template);
    }
    globfree(&files);
}

static void a_literal_file_is_one_scenario_for_all_seeds(void)
{
    static const char text[] = "[scenario]\nname = \"s\"\nduration = \"1s\"\nseed = 5\n[[host]]\nname = \"a\"\n";
    struct sim_template *template = sim_template_parse("f.toml", text, strlen(text), error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(template);
    struct sim_scenario *one = sim_template_expand(template, 1, error), *two = sim_template_expand(template, 2, error);
    CU_ASSERT_PTR_EQUAL(one, two);
    CU_ASSERT_EQUAL(one->seed, 5);
    sim_scenario_free(one);
    sim_template_free(template);
    CU_ASSERT_STRING_EQUAL(two->hosts[0].name, "a");
    sim_scenario_free(two);
    CU_ASSERT_PTR_NULL(sim_template_parse("f.toml", "[scenario]\nnames = 1", 20, error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "f.toml:2: unknown key 'names'"));
    CU_ASSERT_PTR_NULL(sim_template_load("/no/such/file", error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "/no/such/file: No such file"));
}

static const struct unit_case cases[] = {
    {"the text is canonical", the_text_is_canonical},
    {"dates are refused", dates_are_refused},
    {"what is put replaces or is last", what_is_put_replaces_or_is_last},
    {"a copy is equal until it changes", a_copy_is_equal_until_it_changes},
    {"the tree for readers is the parser's", the_tree_for_readers_is_the_parsers},
    {"every scenario of the tree survives", every_scenario_of_the_tree_survives},
    {"a literal file is one scenario for all seeds", a_literal_file_is_one_scenario_for_all_seeds},
};
UNIT_MAIN("tree", cases)
