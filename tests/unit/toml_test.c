#include "toml/toml.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// tests/unit/new.cc
extern unsigned long unit_new_fail_in;
extern unsigned long unit_new_outstanding;

static char error[256];
static unsigned line;

static struct qe_toml *parse_bytes(const char *text, size_t size)
{
    memset(error, 'x', sizeof(error));
    line = 12345;
    return qe_toml_parse(text, size, error, sizeof(error), &line);
}

static struct qe_toml *parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

static void every_kind_of_value_is_read(void)
{
    struct qe_toml *toml = parse("s = \"a\\tb\\u20ac\"\n"
                                 "i = -9223372036854775808\n"
                                 "h = 0x7fff_ffff_ffff_ffff\n"
                                 "f = 1.5\n"
                                 "b = true\n"
                                 "d = 1979-05-27T07:32:00Z\n"
                                 "a = [1, [\"x\"], {y = 2}]\n"
                                 "t.u = 0b101\n"
                                 "e = ''\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(toml);
    const struct qe_toml_value *root = qe_toml_root(toml);
    CU_ASSERT_EQUAL(qe_toml_kind(root), QE_TOML_TABLE);
    CU_ASSERT_EQUAL(qe_toml_size(root), 9);
    size_t size;
    CU_ASSERT_STRING_EQUAL(qe_toml_string(qe_toml_get(root, "s"), &size), "a\tb\xe2\x82\xac");
    CU_ASSERT_EQUAL(size, 6);
    CU_ASSERT_EQUAL(qe_toml_integer(qe_toml_get(root, "i")), INT64_MIN);
    CU_ASSERT_EQUAL(qe_toml_integer(qe_toml_get(root, "h")), INT64_MAX);
    CU_ASSERT_EQUAL(qe_toml_float(qe_toml_get(root, "f")), 1.5);
    CU_ASSERT(qe_toml_boolean(qe_toml_get(root, "b")));
    CU_ASSERT_EQUAL(qe_toml_kind(qe_toml_get(root, "d")), QE_TOML_DATETIME);
    const struct qe_toml_value *array = qe_toml_get(root, "a");
    CU_ASSERT_EQUAL(qe_toml_kind(array), QE_TOML_ARRAY);
    CU_ASSERT_EQUAL(qe_toml_size(array), 3);
    CU_ASSERT_EQUAL(qe_toml_integer(qe_toml_at(array, 0)), 1);
    CU_ASSERT_STRING_EQUAL(qe_toml_string(qe_toml_at(qe_toml_at(array, 1), 0), NULL), "x");
    CU_ASSERT_EQUAL(qe_toml_integer(qe_toml_get(qe_toml_at(array, 2), "y")), 2);
    CU_ASSERT_EQUAL(qe_toml_integer(qe_toml_get(qe_toml_get(root, "t"), "u")), 5);
    CU_ASSERT_STRING_EQUAL(qe_toml_string(qe_toml_get(root, "e"), NULL), "");
    CU_ASSERT_PTR_NULL(qe_toml_get(root, "none"));
    qe_toml_free(toml);
}

static void tables_keep_the_documents_order(void)
{
    struct qe_toml *toml = parse("z = 1\n"
                                 "a.k = 1\n"
                                 "m = {q = 1, b = 2, \"\" = 3}\n"
                                 "a.b = 2\n"
                                 "[y]\n[b.x]\n[b]\nw = 1\n[[p]]\n[[p]]\nk=1\n[a2]\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(toml);
    const struct qe_toml_value *root = qe_toml_root(toml);
    static const char *const keys[] = {"z", "a", "m", "y", "b", "p", "a2"};
    CU_ASSERT_EQUAL_FATAL(qe_toml_size(root), 7);
    for (size_t i = 0; i < 7; i++)
        CU_ASSERT_STRING_EQUAL(qe_toml_key(root, i), keys[i]);
    const struct qe_toml_value *inner = qe_toml_get(root, "m");
    CU_ASSERT_STRING_EQUAL(qe_toml_key(inner, 0), "q");
    CU_ASSERT_STRING_EQUAL(qe_toml_key(inner, 1), "b");
    CU_ASSERT_STRING_EQUAL(qe_toml_key(inner, 2), "");
    CU_ASSERT_STRING_EQUAL(qe_toml_key(qe_toml_get(root, "a"), 0), "k");
    CU_ASSERT_EQUAL(qe_toml_size(qe_toml_get(root, "p")), 2);
    qe_toml_free(toml);
}

static void values_know_their_line(void)
{
    struct qe_toml *toml = parse("\xef\xbb\xbf# a comment\r\n"
                                 "a = 1\r\n"
                                 "\n"
                                 "b = [\n"
                                 "  1,\n"
                                 "  2,\n"
                                 "]\n"
                                 "s = \"\"\"\n\n\"\"\"\n"
                                 "[t]\n"
                                 "k = 1\n"
                                 "[[p]]\n"
                                 "k = 1\n"
                                 "[[p]]\n"
                                 "k = {z = 1}");
    CU_ASSERT_PTR_NOT_NULL_FATAL(toml);
    const struct qe_toml_value *root = qe_toml_root(toml);
    CU_ASSERT_EQUAL(qe_toml_line(root), 1);
    CU_ASSERT_EQUAL(qe_toml_line(qe_toml_get(root, "a")), 2);
    CU_ASSERT_EQUAL(qe_toml_line(qe_toml_get(root, "b")), 4);
    CU_ASSERT_EQUAL(qe_toml_line(qe_toml_at(qe_toml_get(root, "b"), 0)), 5);
    CU_ASSERT_EQUAL(qe_toml_line(qe_toml_at(qe_toml_get(root, "b"), 1)), 6);
    CU_ASSERT_EQUAL(qe_toml_line(qe_toml_get(root, "s")), 8);
    CU_ASSERT_EQUAL(qe_toml_line(qe_toml_get(root, "t")), 11);
    CU_ASSERT_EQUAL(qe_toml_line(qe_toml_get(qe_toml_get(root, "t"), "k")), 12);
    CU_ASSERT_EQUAL(qe_toml_line(qe_toml_at(qe_toml_get(root, "p"), 0)), 13);
    CU_ASSERT_EQUAL(qe_toml_line(qe_toml_at(qe_toml_get(root, "p"), 1)), 15);
    const struct qe_toml_value *last = qe_toml_get(qe_toml_at(qe_toml_get(root, "p"), 1), "k");
    CU_ASSERT_EQUAL(qe_toml_line(qe_toml_get(last, "z")), 16);
    qe_toml_free(toml);
}

#define NO_VALUE "no value after '=' or ',', expected a string in quotes, a number, true, false, an array or a table"
#define TWICE    "defined a second time, expected once"
#define MORE     "more text than belongs here, expected the end of the line"
#define KEY      "not a key, expected letters, digits, '_' and '-', or any text in quotes"
#define STRING   "the string has no end or a bad escape, expected a closing quote and only TOML's escapes"
#define INLINE   "the inline table is not well-formed, expected { key = value, ... } on one line"
#define ARRAY    "the array is not well-formed, expected ',' between its values and ']' at its end"
#define CODE     "an escape for no Unicode character, expected \\u0001..\\ud7ff or \\ue000..\\U0010ffff"
#define LARGE    "the number is too large, expected at most 9223372036854775807"
#define NUMBER   "not a number, expected one like 42, -1, 0x1f, 1_000 or 1.5"
#define DATE     "not a date or time, expected one like 1979-05-27, 07:32:00 or 1979-05-27T07:32:00Z"

static void mistakes_are_named_with_their_line(void)
{
    static const struct {
        const char *text, *message;
    } table[] = {
        {"a = 1\nkey\nb = 2\n", "line 2: no '=' after the key, expected key = value"},
        {"a b = 1\n", "line 1: no '=' after the key, expected key = value"},
        {"\nkey =\n", "line 2: " NO_VALUE},
        {"name = laptop\n", "line 1: " NO_VALUE},
        {"a = [1,,2]\n", "line 1: " NO_VALUE},
        {"a = [{b = 1},\n{b = }]\n", "line 2: " NO_VALUE},
        {"name = \"lap\nb = 1\n", "line 1: " STRING},
        {"name = 'lap\n", "line 1: " STRING},
        {"name = \"\"\"lap\n", "line 1: " STRING},
        {"name = '''lap\n", "line 1: " STRING},
        {"name = \"\\q\"\n", "line 1: " STRING},
        {"name = \"a\x01z\"\n", "line 1: " STRING},
        {"a = 1 b\n", "line 1: " MORE},
        {"a = 1,\n", "line 1: " MORE},
        {"[a] b = 1\n", "line 1: " MORE},
        {"a = 1\nb = 2\na = 3\n", "line 3: " TWICE},
        {"[t]\na = 1\n[t]\nb = 1\n", "line 3: " TWICE},
        {"a = 1\n[a]\n", "line 2: " TWICE},
        {"a = 1\n[[a]]\n", "line 2: " TWICE},
        {"[a]\n[[a]]\n", "line 2: " TWICE},
        {"a = {b = 1}\na.c = 2\n", "line 2: a key added to an inline table, expected all its keys within { and }"},
        {"a = [1 2]\n", "line 1: " ARRAY},
        {"a = {b = 1\n", "line 1: " INLINE},
        {"a = {b = 1 c = 2}\n", "line 1: " INLINE},
        {"a = {b = 1,}\n", "line 1: " INLINE},
        {"[a\nb = 1\n", "line 1: " KEY},
        {"[]\n", "line 1: " KEY},
        {"]\n", "line 1: " KEY},
        {"= 1\n", "line 1: " KEY},
        {"\xc3\xa4 = 1\n", "line 1: " KEY},
        {"a = 01\n", "line 1: " NUMBER},
        {"a = 1__0\n", "line 1: " NUMBER},
        {"a = 0x\n", "line 1: " NUMBER},
        {"a = 1.\n", "line 1: " NUMBER},
        {"b = 1\na = 9223372036854775808\n", "line 2: " LARGE},
        {"a = -9223372036854775809\n", "line 1: " LARGE},
        {"a = 0xffff_ffff_ffff_ffff\n", "line 1: " LARGE},
        {"a = 1979-13-01\n", "line 1: " DATE},
        {"a = \"\\ud800\"\n", "line 1: " CODE},
        {"a = \"\\u0000\"\n", "line 1: " CODE},
        {"\n\"\\u0000\" = 1\n", "line 2: " CODE},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct qe_toml *toml = parse(table[i].text);
        CU_ASSERT_PTR_NULL(toml);
        if (toml || strcmp(error, table[i].message) != 0)
            fprintf(stderr, "text     %s\ngot      %s\nexpected %s\n", table[i].text, error, table[i].message);
        CU_ASSERT_STRING_EQUAL(error, table[i].message);
        CU_ASSERT_EQUAL(line, (unsigned)strtoul(table[i].message + 5, NULL, 10));
        CU_ASSERT_PTR_EQUAL(qe_toml_error_text(error, line), strchr(error, ':') + 2);
        qe_toml_free(toml);
    }
}

static void bytes_that_are_no_text_are_refused(void)
{
    static const struct {
        const char *text;
        size_t size;
        const char *message;
    } table[] = {
        {"a = 1\n# \xff\n", 10, "line 2: bytes that are not UTF-8, expected UTF-8"},
        {"a = '\xc0\xaf'\n", 9, "line 1: bytes that are not UTF-8, expected UTF-8"},
        {"a = '''\n\xed\xa0\x80'''\n", 15, "line 2: bytes that are not UTF-8, expected UTF-8"},
        {"a = 1\n\0", 7, "line 2: a NUL character, expected text"},
        {"\xff\xfe"
         "a\0",
            4, "line 1: bytes that are not UTF-8, expected UTF-8"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        CU_ASSERT_PTR_NULL(parse_bytes(table[i].text, table[i].size));
        CU_ASSERT_STRING_EQUAL(error, table[i].message);
    }
}

// `count` times `open`, then `middle`, then `count` times `close`.
static char *nested(const char *head, unsigned count, const char *open, const char *middle, const char *close)
{
    size_t size = strlen(head) + count * (strlen(open) + strlen(close)) + strlen(middle) + 1;
    char *text = malloc(size), *at = text;
    at += sprintf(at, "%s", head);
    for (unsigned i = 0; i < count; i++)
        at += sprintf(at, "%s", open);
    at += sprintf(at, "%s", middle);
    for (unsigned i = 0; i < count; i++)
        at += sprintf(at, "%s", close);
    return text;
}

static void nesting_is_bounded_however_it_is_written(void)
{
    static const struct {
        const char *head, *open, *middle, *close;
        unsigned most; // so many levels pass
        unsigned line;
    } table[] = {
        {"a = ", "[", "", "]", 64, 1},
        {"# [[[\na = ", "{b = ", "1", "}", 64, 2},
        {"a = \"]\"\nb = ", "[", "", "]", 64, 2},
        {"a = [\"\"\"x\"\"\"\", ", "[", "", "]", 63, 1}, // the fourth quote belongs to the string
        {"a = ['''x''''', '''\n''',", "[", "", "]", 63, 2},
        {"a = [\"\\\"\", '\\', ", "[", "", "]", 63, 1},
        {"a", ".a", " = 1", "", 64, 1},
        {"a", " . 'a.b'", " = 1", "", 64, 1},
        {"[a", ".a", "]", "", 63, 1},
        {"[[a", ".a", "]]", "", 62, 1},
        {"[a]\nb.c.d = {x = 1, e = ", "{f.g = ", "1", "}", 30, 2},
        {"[a]\na = ", "[", "", "]", 63, 2},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        for (unsigned more = 0; more < 3; more++) {
            unsigned count = more == 2 ? 12000 / (unsigned)strlen(table[i].open) : table[i].most + more;
            char *text = nested(table[i].head, count, table[i].open, table[i].middle, table[i].close);
            // Entries that open a bracket of their own need it closed.
            bool open = strstr(table[i].head, "[\"") || strstr(table[i].head, "['");
            bool brace = strstr(table[i].head, "{x") != NULL;
            char *whole = malloc(strlen(text) + 3);
            sprintf(whole, "%s%s", text, open ? "]" : brace ? "}" : "");
            struct qe_toml *toml = parse(whole);
            CU_ASSERT_EQUAL(toml != NULL, more == 0);
            if ((toml != NULL) != (more == 0))
                fprintf(stderr, "%zu %u: %.60s… %s\n", i, more, whole, toml ? "" : error);
            if (more) {
                char expected[64];
                snprintf(
                    expected, sizeof(expected), "line %u: nested too deep, expected at most 64 levels", table[i].line);
                CU_ASSERT_STRING_EQUAL(error, expected);
            }
            qe_toml_free(toml);
            free(text);
            free(whole);
        }
}

static void size_and_lines_are_bounded(void)
{
    size_t size = QE_TOML_SIZE_MAX + 1;
    char *text = malloc(size);
    memset(text, '\n', size);
    struct qe_toml *toml = parse_bytes(text, size - 1);
    CU_ASSERT_PTR_NOT_NULL(toml);
    qe_toml_free(toml);
    CU_ASSERT_PTR_NULL(parse_bytes(text, size));
    CU_ASSERT_STRING_EQUAL(error, "the text is too long, expected at most 1 MiB");
    CU_ASSERT_EQUAL(line, 0);
    CU_ASSERT_PTR_EQUAL(qe_toml_error_text(error, line), error);

    memset(text + 1, '#', size - 1); // one long comment on line 2
    toml = parse_bytes(text, 1 + 32000);
    CU_ASSERT_PTR_NOT_NULL(toml);
    qe_toml_free(toml);
    CU_ASSERT_PTR_NULL(parse_bytes(text, 1 + 33000));
    CU_ASSERT_STRING_EQUAL(error, "line 2: the line is too long, expected lines of at most a few kilobytes");
    free(text);
}

static void an_empty_text_is_an_empty_table(void)
{
    static const char *const texts[] = {"", "\n", "# nothing", "\xef\xbb\xbf", " \t\r\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct qe_toml *toml = parse(texts[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(toml);
        CU_ASSERT_EQUAL(qe_toml_size(qe_toml_root(toml)), 0);
        qe_toml_free(toml);
    }
}

static void random_cuts_and_flips_do_no_harm(void)
{
    static const char text[] =
        "# x\n[node]\nname = \"laptop\"\n[network]\nlisten = [\"0.0.0.0:1\", '[::]:2']\nmtu = 1_400\n"
        "t = 1979-05-27T07:32:00.5Z\nd = 07:32:00\nf = -1.5e3\ns = \"\"\"a\\\n  b\"\"\"\nl = '''x'''\n"
        "[[peer]]\nid = \"qe\"\n[[peer]]\nk.l = {a = 1, b = [true, false]}\n";
    struct unit_random r = unit_random();
    for (int round = 0; round < 3000; round++) {
        char bytes[sizeof(text)];
        memcpy(bytes, text, sizeof(text));
        size_t size = (size_t)unit_random_below(&r, sizeof(text));
        for (uint64_t flips = unit_random_below(&r, 4); flips > 0; flips--)
            bytes[unit_random_below(&r, sizeof(text))] = "\"'[]{}.=,\n\\#x0\xc3"[unit_random_below(&r, 16)];
        struct qe_toml *toml = parse_bytes(bytes, size);
        if (!toml) {
            CU_ASSERT(strlen(error) > 0 && strlen(error) < sizeof(error));
            CU_ASSERT_PTR_NULL(strchr(error, '\n'));
        }
        qe_toml_free(toml);
    }
}

static void missing_memory_is_an_error(void)
{
    unsigned long before = unit_new_outstanding;
    unit_new_fail_in = 1; // all that the text may need is asked for at once
    CU_ASSERT_PTR_NULL(parse("a = 1\n"));
    CU_ASSERT_STRING_EQUAL(error, "not enough memory");
    CU_ASSERT_EQUAL(line, 0);
    unit_new_fail_in = 2;
    CU_ASSERT_PTR_NULL(parse("a = 1\n"));
    CU_ASSERT_STRING_EQUAL(error, "not enough memory");
    CU_ASSERT_EQUAL(unit_new_outstanding, before);
}

static void freeing_leaves_nothing(void)
{
    unsigned long before = unit_new_outstanding;
    qe_toml_free(parse("a = [1, {b = \"a string too long for the small string optimisation\"}]\n[t.u]\nk = 1.5\n"));
    qe_toml_free(parse("a = [1, {b = \"a string too long for the small string optimisation\"}]\n[t.u]\nk = \n"));
    qe_toml_free(NULL);
    CU_ASSERT_EQUAL(unit_new_outstanding, before);
}

static const struct unit_case cases[] = {
    {"every kind of value is read", every_kind_of_value_is_read},
    {"tables keep the document's order", tables_keep_the_documents_order},
    {"values know their line", values_know_their_line},
    {"mistakes are named with their line", mistakes_are_named_with_their_line},
    {"bytes that are no text are refused", bytes_that_are_no_text_are_refused},
    {"nesting is bounded however it is written", nesting_is_bounded_however_it_is_written},
    {"size and lines are bounded", size_and_lines_are_bounded},
    {"an empty text is an empty table", an_empty_text_is_an_empty_table},
    {"random cuts and flips do no harm", random_cuts_and_flips_do_no_harm},
    {"missing memory is an error", missing_memory_is_an_error},
    {"freeing leaves nothing", freeing_leaves_nothing},
};
UNIT_MAIN("toml", cases)
