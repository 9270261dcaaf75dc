// The C interface over toml11. The parser's own tree is copied into plain values at once and dropped: so accessors
// cannot throw, order and lines are ours, and both major versions of toml11 serve. Every function that allocates
// catches everything.
#include "toml/toml.h"

#include "toml/check.h"
#include "toml/words.h"

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <cstring>
#include <map>
#include <new>
#include <stdexcept>
#include <string>
#include <toml.hpp>
#include <utility>
#include <vector>

struct qe_toml_value {
    enum qe_toml_kind kind = QE_TOML_TABLE;
    unsigned line = 0;
    bool boolean = false;
    int64_t integer = 0;
    double floating = 0;
    std::string string;
    std::vector<std::string> keys; // of a table, in the order of items
    std::vector<qe_toml_value> items;
};

struct qe_toml {
    qe_toml_value root;
};

namespace
{

struct syntax_error {
    unsigned line;
    std::string words;
};

// Where a value stands in the text: its line and, for order, what precedes what.
struct place {
    unsigned line;
    uint64_t order;
};

#if TOML11_VERSION_MAJOR >= 4

// Keys sorted, so that no input can aim collisions at a hash; document order is restored afterwards.
struct config : toml::type_config {
    template <typename K, typename T> using table_type = std::map<K, T>;
};
using parsed = toml::basic_value<config>;

parsed parse(const char *text, size_t size)
{
    auto spec = toml::spec::v(1, 0, 0);
    const auto *bytes = reinterpret_cast<const unsigned char *>(text);
    auto result = toml::try_parse<config>(std::vector<unsigned char>(bytes, bytes + size), "", spec);
    if (result.is_ok()) return std::move(result.unwrap());
    const auto &errors = result.unwrap_err();
    if (errors.empty()) throw syntax_error{0, ""};
    const auto &first = errors.front();
    unsigned line =
        first.locations().empty() ? 0 : static_cast<unsigned>(first.locations()[0].first.first_line_number());
    throw syntax_error{line, first.title()};
}

class places
{
  public:
    places(const char *, size_t) {}
    place of(const parsed &value) const
    {
        auto location = value.location();
        auto line = static_cast<unsigned>(location.first_line_number());
        return {line, uint64_t{line} << 32 | location.first_column_number()};
    }
    void check_integer(const parsed &) const {}
};

const std::string &string_of(const parsed &value)
{
    return value.as_string();
}

#else

using parsed = toml::basic_value<toml::discard_comments, std::map, std::vector>;

parsed parse(const char *text, size_t size)
{
    // As toml::parse does over a stream, without the stream: the text ends with a newline, a byte order mark is
    // skipped.
    std::vector<char> letters(text, text + size);
    if (!letters.empty() && letters.back() != '\n') letters.push_back('\n');
    toml::detail::location location("", std::move(letters));
    if (size >= 3 && std::memcmp(text, "\xef\xbb\xbf", 3) == 0) location.advance(3);
    try {
        auto result = toml::detail::parse_toml_file<parsed>(location);
        if (result) return std::move(result.unwrap());
        throw syntax_error{toml::source_location(location).line(), result.unwrap_err()};
    } catch (const toml::exception &e) {
        throw syntax_error{e.location().line(), e.what()};
    }
}

// toml11 3 counts lines from the start of the text for each value; here they are looked up.
class places
{
  public:
    places(const char *text, size_t size)
    {
        for (size_t i = 0; i < size; i++)
            if (text[i] == '\n') newlines.push_back(i);
    }
    place of(const parsed &value) const
    {
        const auto *region = region_of(value);
        if (!region) return {0, 0};
        auto offset = static_cast<size_t>(region->first() - region->begin());
        auto before = std::lower_bound(newlines.begin(), newlines.end(), offset) - newlines.begin();
        return {static_cast<unsigned>(before + 1), offset};
    }
    // toml11 3 takes the nearest 64-bit number for one that does not fit.
    void check_integer(const parsed &value) const
    {
        const auto *region = region_of(value);
        if (!region) return;
        std::string text = region->str();
        text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
        int base = 10;
        if (text.size() > 2 && text[0] == '0') {
            base = text[1] == 'x' ? 16 : text[1] == 'o' ? 8 : text[1] == 'b' ? 2 : 10;
            if (base != 10) text.erase(0, 2);
        }
        try {
            if (std::stoll(text, nullptr, base) == value.as_integer()) return;
        } catch (const std::logic_error &) { // out of range
        }
        throw syntax_error{of(value).line, "too large integer"};
    }

  private:
    static const toml::detail::region *region_of(const parsed &value)
    {
        return dynamic_cast<const toml::detail::region *>(toml::detail::get_region(value));
    }
    std::vector<size_t> newlines;
};

const std::string &string_of(const parsed &value)
{
    return value.as_string().str;
}

#endif

void check_nul(const std::string &text, unsigned line)
{
    if (text.find('\0') != std::string::npos) throw syntax_error{line, "codepoint"};
}

void copy(const parsed &from, const places &where, qe_toml_value &to);

void copy_table(const parsed &from, const places &where, qe_toml_value &to)
{
    struct entry {
        uint64_t order;
        const std::string *key;
        const parsed *value;
    };
    std::vector<entry> entries;
    for (const auto &item : from.as_table())
        entries.push_back({where.of(item.second).order, &item.first, &item.second});
    std::stable_sort(entries.begin(), entries.end(), [](const entry &a, const entry &b) { return a.order < b.order; });
    to.keys.reserve(entries.size());
    to.items.resize(entries.size());
    for (size_t i = 0; i < entries.size(); i++) {
        copy(*entries[i].value, where, to.items[i]);
        check_nul(*entries[i].key, to.items[i].line);
        to.keys.push_back(*entries[i].key);
    }
}

void copy(const parsed &from, const places &where, qe_toml_value &to)
{
    to.line = where.of(from).line;
    switch (from.type()) {
    case toml::value_t::table:
        to.kind = QE_TOML_TABLE;
        copy_table(from, where, to);
        break;
    case toml::value_t::array: {
        const auto &items = from.as_array();
        to.kind = QE_TOML_ARRAY;
        to.items.resize(items.size());
        for (size_t i = 0; i < items.size(); i++)
            copy(items[i], where, to.items[i]);
        break;
    }
    case toml::value_t::string:
        to.kind = QE_TOML_STRING;
        to.string = string_of(from);
        check_nul(to.string, to.line);
        break;
    case toml::value_t::integer:
        to.kind = QE_TOML_INTEGER;
        where.check_integer(from);
        to.integer = from.as_integer();
        break;
    case toml::value_t::floating:
        to.kind = QE_TOML_FLOAT;
        to.floating = from.as_floating();
        break;
    case toml::value_t::boolean:
        to.kind = QE_TOML_BOOLEAN;
        to.boolean = from.as_boolean();
        break;
    default:
        to.kind = QE_TOML_DATETIME;
        break;
    }
}

// The most memory that a byte of text has been seen to take, with both trees at once.
constexpr size_t memory_per_byte = 320;

// toml11 allocates in functions declared noexcept, where running out of memory ends the process. So what the text may
// need is had once before, and given back: throws std::bad_alloc where that fails.
void check_memory(size_t size)
{
    void *room = ::operator new(4096 + size * memory_per_byte);
    ::operator delete(room);
}

void say(char *error, size_t error_size, unsigned *line, unsigned at, const char *what)
{
    *line = at;
    if (at)
        std::snprintf(error, error_size, "line %u: %s", at, what);
    else
        std::snprintf(error, error_size, "%s", what);
}

} // namespace

struct qe_toml *qe_toml_parse(const char *text, size_t size, char *error, size_t error_size, unsigned *line)
{
    unsigned at;
    const char *wrong = qe_toml_check(text, size, &at);
    if (wrong) {
        say(error, error_size, line, at, wrong);
        return nullptr;
    }
    qe_toml *toml = nullptr;
    try {
        check_memory(size);
        toml = new qe_toml;
        copy(parse(text, size), places(text, size), toml->root);
        toml->root.line = 1;
        return toml;
    } catch (const syntax_error &e) {
        char words[256];
        qe_toml_words(e.words.c_str(), words, sizeof(words));
        say(error, error_size, line, e.line, words);
    } catch (const std::bad_alloc &) {
        say(error, error_size, line, 0, "not enough memory");
    } catch (const std::exception &e) {
        char words[256];
        qe_toml_words(e.what(), words, sizeof(words));
        say(error, error_size, line, 0, words);
    } catch (...) {
        say(error, error_size, line, 0, "not TOML, expected TOML 1.0");
    }
    delete toml;
    return nullptr;
}

void qe_toml_free(struct qe_toml *toml)
{
    delete toml;
}

const char *qe_toml_error_text(const char *error, unsigned line)
{
    const char *colon = line ? std::strstr(error, ": ") : nullptr;
    return colon ? colon + 2 : error;
}

const struct qe_toml_value *qe_toml_root(const struct qe_toml *toml)
{
    return &toml->root;
}

enum qe_toml_kind qe_toml_kind(const struct qe_toml_value *value)
{
    return value->kind;
}

const char *qe_toml_kind_name(enum qe_toml_kind kind)
{
    switch (kind) {
    case QE_TOML_TABLE:
        return "a table";
    case QE_TOML_ARRAY:
        return "an array";
    case QE_TOML_STRING:
        return "a string";
    case QE_TOML_INTEGER:
        return "an integer";
    case QE_TOML_FLOAT:
        return "a float";
    case QE_TOML_BOOLEAN:
        return "a boolean";
    case QE_TOML_DATETIME:
        return "a date or time";
    }
    assert(false);
    return "";
}

unsigned qe_toml_line(const struct qe_toml_value *value)
{
    return value->line;
}

size_t qe_toml_size(const struct qe_toml_value *value)
{
    return value->items.size();
}

const char *qe_toml_key(const struct qe_toml_value *table, size_t index)
{
    assert(table->kind == QE_TOML_TABLE && index < table->keys.size());
    return table->keys[index].c_str();
}

const struct qe_toml_value *qe_toml_at(const struct qe_toml_value *value, size_t index)
{
    assert(index < value->items.size());
    return &value->items[index];
}

const struct qe_toml_value *qe_toml_get(const struct qe_toml_value *table, const char *key)
{
    assert(table->kind == QE_TOML_TABLE);
    for (size_t i = 0; i < table->keys.size(); i++)
        if (std::strcmp(table->keys[i].c_str(), key) == 0) return &table->items[i];
    return nullptr;
}

const char *qe_toml_string(const struct qe_toml_value *value, size_t *size)
{
    assert(value->kind == QE_TOML_STRING);
    if (size) *size = value->string.size();
    return value->string.c_str();
}

int64_t qe_toml_integer(const struct qe_toml_value *value)
{
    assert(value->kind == QE_TOML_INTEGER);
    return value->integer;
}

double qe_toml_float(const struct qe_toml_value *value)
{
    assert(value->kind == QE_TOML_FLOAT);
    return value->floating;
}

bool qe_toml_boolean(const struct qe_toml_value *value)
{
    assert(value->kind == QE_TOML_BOOLEAN);
    return value->boolean;
}

struct qe_toml *qe_toml_new(void)
{
    return new (std::nothrow) qe_toml;
}

struct qe_toml_value *qe_toml_new_root(struct qe_toml *toml)
{
    toml->root.line = 1;
    return &toml->root;
}

struct qe_toml_value *qe_toml_add(struct qe_toml_value *parent, const char *key, enum qe_toml_kind kind, unsigned line)
{
    assert(parent->kind == (key ? QE_TOML_TABLE : QE_TOML_ARRAY));
    try {
        qe_toml_value value;
        value.kind = kind;
        value.line = line;
        if (key) parent->keys.emplace_back(key);
        try {
            parent->items.push_back(std::move(value));
        } catch (...) {
            if (key) parent->keys.pop_back();
            throw;
        }
        return &parent->items.back();
    } catch (...) {
        return nullptr;
    }
}

bool qe_toml_set_string(struct qe_toml_value *value, const char *text)
{
    assert(value->kind == QE_TOML_STRING);
    try {
        value->string = text;
        return true;
    } catch (...) {
        return false;
    }
}

void qe_toml_set_integer(struct qe_toml_value *value, int64_t integer)
{
    assert(value->kind == QE_TOML_INTEGER);
    value->integer = integer;
}

void qe_toml_set_float(struct qe_toml_value *value, double floating)
{
    assert(value->kind == QE_TOML_FLOAT);
    value->floating = floating;
}

void qe_toml_set_boolean(struct qe_toml_value *value, bool boolean)
{
    assert(value->kind == QE_TOML_BOOLEAN);
    value->boolean = boolean;
}
