// Longest-prefix match in a trie of six bits a step (tree bitmap: Eatherton, Varghese, Dittia, 2004), with steps in
// which nothing branches left out. A node stands for all addresses that begin with its `depth` bits. One bitmap says
// which prefixes up to five bits longer exist, another which of its 64 slots go on below; children and values are
// packed in the order of the bits, so that a count of bits is an index. Changes touch one node and its parent only.
//
// Addresses are taken as if a zero bit stood before them: so the ends of the usual prefixes (8, 16, 24, 32; 32, 48, 56,
// 64, 128) lie within a step, and neighbours share a node. Depths count that bit.
#include "route/route.h"

#include "base/bytes.h"
#include "base/mutants.h"

#include <assert.h>
#include <string.h>

enum { STEP = 6, PATH_MAX = 128 / STEP + 2 };

// The address's bits, left-aligned; IPv4 uses the upper half of `high`.
struct key {
    uint64_t high, low;
};

struct node {
    struct key key;        // the first depth - 1 bits; the rest is zero
    uint64_t inside;       // bit 2^n + v: the prefix of n more bits v is set, n = 0..5
    uint64_t below;        // bit v: there is a child where the next six bits are v
    struct node *children; // one for each bit of `below`, in order
    union {
        uint32_t value;   // where `inside` has one bit
        uint32_t *values; // where it has more: one for each bit, in order
    };
    uint8_t depth; // a multiple of STEP
};

struct qe_route_table {
    const struct qe_mem *mem;
    size_t count;
    struct node root4, root6;
};

// Where in the trie a prefix belongs.
struct place {
    struct key key;
    uint8_t depth;
    uint8_t bit; // of `inside`
};

// The prefixes that contain slot `v`: all proper prefixes of its six bits, as bits of `inside`.
#define BIT(n) (UINT64_C(1) << (n))
#define HOLD(v)                                                                                                        \
    (BIT((64 + (v)) >> 1) | BIT((64 + (v)) >> 2) | BIT((64 + (v)) >> 3) | BIT((64 + (v)) >> 4) |                       \
        BIT((64 + (v)) >> 5) | BIT((64 + (v)) >> 6))
#define HOLD4(v)  HOLD(v), HOLD((v) + 1), HOLD((v) + 2), HOLD((v) + 3)
#define HOLD16(v) HOLD4(v), HOLD4((v) + 4), HOLD4((v) + 8), HOLD4((v) + 12)
static const uint64_t holders[64] = {HOLD16(0), HOLD16(16), HOLD16(32), HOLD16(48)};

static inline unsigned count_bits(uint64_t v)
{
    v -= (v >> 1) & UINT64_C(0x5555555555555555);
    v = (v & UINT64_C(0x3333333333333333)) + ((v >> 2) & UINT64_C(0x3333333333333333));
    v = (v + (v >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    return (unsigned)(v * UINT64_C(0x0101010101010101) >> 56);
}

// How many bits are set before bit `at`: the index of what belongs to it.
static inline unsigned rank(uint64_t bits, unsigned at)
{
    return count_bits(bits & (BIT(at) - 1));
}

// The rest of an IPv4 address's bytes is zero by its definition.
static inline struct key key_of(const struct qe_ip *ip)
{
    return (struct key){qe_load64(ip->bytes), qe_load64(ip->bytes + 8)};
}

// The six bits at `depth`; beyond the end of the address there are zeroes.
static inline unsigned slot_at(struct key key, unsigned depth)
{
    if (depth == 0) return (unsigned)(key.high >> 59);
    unsigned from = depth - 1;
    if (from <= 58) return key.high >> (58 - from) & 63;
    if (from < 64) return (unsigned)(key.high << (from - 58) | key.low >> (122 - from)) & 63;
    if (from <= 122) return key.low >> (122 - from) & 63;
    return (unsigned)(key.low << (from - 122)) & 63;
}

// Whether the keys agree before `depth`.
static inline bool same_before(struct key a, struct key b, unsigned depth)
{
    if (depth == 0) return true;
    unsigned size = depth - 1;
    if (size < 64) return (a.high ^ b.high) >> (64 - size) == 0;
    return a.high == b.high && (a.low ^ b.low) >> (128 - size) == 0;
}

static struct key key_before(struct key key, unsigned depth)
{
    unsigned size = depth == 0 ? 0 : depth - 1;
    if (size == 0) return (struct key){0, 0};
    if (size < 64) return (struct key){key.high & ~(UINT64_MAX >> size), 0};
    return (struct key){key.high, key.low & ~(UINT64_MAX >> (size - 64))};
}

static struct place place_of(const struct qe_cidr *prefix)
{
    assert(prefix->bits <= qe_ip_size(&prefix->ip) * 8);
    unsigned end = prefix->bits + 1u, depth = end / STEP * STEP, more = end - depth;
    struct key key = key_of(&prefix->ip);
    unsigned bit = (1u << more) + (slot_at(key, depth) >> (STEP - more));
    return (struct place){key_before(key, depth), (uint8_t)depth, (uint8_t)bit};
}

struct qe_route_table *qe_route_table_new(const struct qe_mem *mem)
{
    struct qe_route_table *table = qe_zalloc(mem, 1, sizeof *table);
    if (table) table->mem = mem;
    return table;
}

static bool has_array(const struct node *node)
{
    return (node->inside & (node->inside - 1)) != 0;
}

// At most PATH_MAX deep.
static void free_below(const struct qe_mem *mem, struct node *node)
{
    unsigned count = count_bits(node->below);
    for (unsigned i = 0; i < count; i++)
        free_below(mem, &node->children[i]);
    qe_free(mem, node->children);
    if (has_array(node)) qe_free(mem, node->values);
}

void qe_route_table_free(struct qe_route_table *table)
{
    if (!table) return;
    free_below(table->mem, &table->root4);
    free_below(table->mem, &table->root6);
    qe_free(table->mem, table);
}

size_t qe_route_table_count(const struct qe_route_table *table)
{
    return table->count;
}

static struct node *root_of(struct qe_route_table *table, const struct qe_ip *ip)
{
    assert(ip->family == 4 || ip->family == 6);
    return ip->family == 4 ? &table->root4 : &table->root6;
}

static uint32_t *value_at(struct node *node, unsigned bit)
{
    return has_array(node) ? &node->values[rank(node->inside, bit)] : &node->value;
}

// Sets the value of a prefix that ends in this node. 0, 1 where it is new, -1 without memory.
static int set_inside(const struct qe_mem *mem, struct node *node, unsigned bit, uint32_t value)
{
    if (node->inside & BIT(bit)) {
        *value_at(node, bit) = value;
        return 0;
    }
    unsigned count = count_bits(node->inside), at = rank(node->inside, bit);
    if (count == 0) {
        node->value = value;
    } else {
        uint32_t *values = qe_realloc(mem, count == 1 ? NULL : node->values, count + 1, sizeof *values);
        if (!values) return -1;
        if (count == 1) values[0] = node->value;
        memmove(&values[at + 1], &values[at], (count - at) * sizeof *values);
        values[at] = value;
        node->values = values;
    }
    node->inside |= BIT(bit);
    return 1;
}

static int add_child(const struct qe_mem *mem, struct node *parent, const struct node *child)
{
    unsigned slot = slot_at(child->key, parent->depth);
    unsigned count = count_bits(parent->below), at = rank(parent->below, slot);
    struct node *children = qe_realloc(mem, parent->children, count + 1, sizeof *children);
    if (!children) return -1;
    memmove(&children[at + 1], &children[at], (count - at) * sizeof *children);
    children[at] = *child;
    parent->children = children;
    parent->below |= BIT(slot);
    return 0;
}

// Puts a node between `node` and its parent, at `depth`, where the new prefix leaves its way or ends.
static int split(
    const struct qe_mem *mem, struct node *node, unsigned depth, const struct place *place, const struct node *leaf)
{
    struct node between = {.key = key_before(place->key, depth), .depth = (uint8_t)depth};
    bool ends = depth == place->depth;
    between.children = qe_alloc(mem, (ends ? 1 : 2) * sizeof *between.children);
    if (!between.children) return -1;
    unsigned slot = slot_at(node->key, depth), leaf_slot = slot_at(leaf->key, depth);
    between.below = BIT(slot);
    if (ends) {
        between.inside = leaf->inside;
        between.value = leaf->value;
        between.children[0] = *node;
    } else {
        between.below |= BIT(leaf_slot);
        between.children[slot > leaf_slot] = *node;
        between.children[slot < leaf_slot] = *leaf;
    }
    *node = between;
    return 0;
}

static struct node *child_at(struct node *node, unsigned slot)
{
    return &node->children[rank(node->below, slot)];
}

int qe_route_table_set(struct qe_route_table *table, const struct qe_cidr *prefix, uint32_t value)
{
    assert(value != QE_ROUTE_NONE);
    struct place place = place_of(prefix);
    struct node leaf = {.key = place.key, .depth = place.depth, .inside = BIT(place.bit), .value = value};
    struct node *node = root_of(table, &prefix->ip);
    while (node->depth != place.depth) {
        unsigned slot = slot_at(place.key, node->depth);
        if (!(node->below & BIT(slot))) {
            if (add_child(table->mem, node, &leaf) != 0) return -1;
            table->count++;
            return 0;
        }
        struct node *child = child_at(node, slot);
        unsigned depth = child->depth < place.depth ? child->depth : place.depth;
        while (!same_before(child->key, place.key, depth))
            depth -= STEP;
        if (depth != child->depth) {
            if (split(table->mem, child, depth, &place, &leaf) != 0) return -1;
            table->count++;
            return 0;
        }
        node = child;
    }
    int added = set_inside(table->mem, node, place.bit, value);
    if (added > 0) table->count++;
    return added < 0 ? -1 : 0;
}

// The array is left as large as it was until it is down to one: shrinking could fail.
static void remove_inside(const struct qe_mem *mem, struct node *node, unsigned bit)
{
    unsigned count = count_bits(node->inside), at = rank(node->inside, bit);
    uint32_t *values = node->values;
    if (count > 1) memmove(&values[at], &values[at + 1], (count - at - 1) * sizeof *values);
    node->inside &= ~BIT(bit);
    if (count != 2) return;
    node->value = values[0];
    qe_free(mem, values);
}

static void remove_child(const struct qe_mem *mem, struct node *parent, unsigned slot)
{
    unsigned count = count_bits(parent->below), at = rank(parent->below, slot);
    memmove(&parent->children[at], &parent->children[at + 1], (count - at - 1) * sizeof *parent->children);
    parent->below &= ~BIT(slot);
    if (parent->below != 0) return;
    qe_free(mem, parent->children);
    parent->children = NULL;
}

// Takes out the nodes at the end of the path that have become useless: empty ones, and one that only leads to another.
static void prune(const struct qe_mem *mem, struct node **path, size_t count, struct key key)
{
    while (count-- > 1 && path[count]->inside == 0) {
        struct node *node = path[count], *parent = path[count - 1];
        if (node->below == 0) {
            remove_child(mem, parent, slot_at(key, parent->depth));
            continue;
        }
        if ((node->below & (node->below - 1)) == 0) {
            struct node *children = node->children;
            *node = children[0];
            qe_free(mem, children);
        }
        return;
    }
}

bool qe_route_table_remove(struct qe_route_table *table, const struct qe_cidr *prefix)
{
    struct place place = place_of(prefix);
    struct node *path[PATH_MAX];
    size_t count = 0;
    struct node *node = root_of(table, &prefix->ip);
    path[count++] = node;
    while (node->depth < place.depth) {
        unsigned slot = slot_at(place.key, node->depth);
        if (!(node->below & BIT(slot))) return false;
        node = child_at(node, slot);
        assert(count < PATH_MAX);
        path[count++] = node;
    }
    bool found = node->depth == place.depth && same_before(node->key, place.key, place.depth);
    if (!found || !(node->inside & BIT(place.bit))) return false;
    remove_inside(table->mem, node, place.bit);
    prune(table->mem, path, count, place.key);
    table->count--;
    return true;
}

uint32_t qe_route_table_lookup(const struct qe_route_table *table, const struct qe_ip *ip)
{
    const struct node *node = ip->family == 4 ? &table->root4 : &table->root6;
    const struct node *best = NULL;
    unsigned best_slot = 0;
    struct key key = key_of(ip);
    for (;;) {
        unsigned slot = slot_at(key, node->depth);
        if (node->inside & holders[slot]) best = node, best_slot = slot;
        if (!(node->below & BIT(slot))) break;
        node = &node->children[rank(node->below, slot)];
        if (!same_before(key, node->key, node->depth) && !QE_MUTANT(route_compare)) break;
    }
    if (!best) return QE_ROUTE_NONE;
    if (!has_array(best)) return best->value;
    // The longest of those that contain the slot is the one with the highest bit.
    unsigned bit = (64 + best_slot) >> 1;
    while (!(best->inside & BIT(bit)))
        bit >>= 1;
    return best->values[rank(best->inside, bit)];
}
