// The places are sets of eight, chosen by a keyed hash, so that nobody can aim at one. A full set makes the table grow;
// at its limit only a place whose window is over is taken again, so that made-up addresses never make room for more.
#include "nat/budget.h"

#include "base/bytes.h"

#include <sodium/crypto_shorthash.h>

#define WAYS        8
#define FIRST_COUNT 64

struct place {
    struct qe_addr addr;               // family 0: free
    uint64_t at_ns[QE_BUDGET_PACKETS]; // of the last packets, a ring; 0: none
    uint8_t next, own;                 // own: packets of own accord in this round
    uint8_t rounds;                    // of own packets that nobody answered
    uint64_t round_ns;                 // when the last one began
};

struct qe_budget {
    const struct qe_mem *mem;
    uint8_t secret[16];
    size_t count; // places, a power of two
    struct place *places;
};

struct qe_budget *qe_budget_new(const struct qe_mem *mem, const uint8_t secret[16])
{
    struct qe_budget *budget = qe_zalloc(mem, 1, sizeof *budget);
    if (!budget) return NULL;
    budget->mem = mem;
    memcpy(budget->secret, secret, sizeof budget->secret);
    return budget;
}

void qe_budget_free(struct qe_budget *budget)
{
    if (!budget) return;
    qe_free(budget->mem, budget->places);
    qe_free(budget->mem, budget);
}

static struct place *set_of(const struct qe_budget *budget, const struct qe_addr *addr)
{
    uint8_t text[23] = {addr->ip.family}, hash[8];
    memcpy(text + 1, addr->ip.bytes, sizeof addr->ip.bytes);
    qe_store16(text + 17, addr->port);
    qe_store32(text + 19, addr->scope);
    crypto_shorthash(hash, text, sizeof text, budget->secret);
    return budget->places + (qe_load64(hash) & (budget->count / WAYS - 1)) * WAYS;
}

static uint64_t last_ns(const struct place *place)
{
    return place->at_ns[(place->next + QE_BUDGET_PACKETS - 1) % QE_BUDGET_PACKETS];
}

static uint64_t rest_ns(const struct place *place)
{
    uint64_t rest = QE_BUDGET_WINDOW_NS;
    for (unsigned i = 1; i < place->rounds && rest < QE_BUDGET_REST_NS; i++)
        rest *= 2;
    return rest < QE_BUDGET_REST_NS ? rest : QE_BUDGET_REST_NS;
}

// Nothing would be different without what is noted there.
static bool is_over(const struct place *place, uint64_t now_ns)
{
    return place->addr.ip.family == 0 ||
           (now_ns - last_ns(place) >= QE_BUDGET_WINDOW_NS && now_ns - place->round_ns >= 2 * rest_ns(place));
}

static bool grow(struct qe_budget *budget)
{
    struct place *old = budget->places;
    size_t old_count = budget->count, count = old_count ? 2 * old_count : FIRST_COUNT;
    struct place *wider = count <= QE_BUDGET_ADDRESSES ? qe_zalloc(budget->mem, count, sizeof *wider) : NULL;
    if (!wider) return false;
    budget->places = wider;
    budget->count = count;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].addr.ip.family == 0) continue;
        // A set's places go to two sets, so there is always room.
        struct place *set = set_of(budget, &old[i].addr);
        while (set->addr.ip.family != 0)
            set++;
        *set = old[i];
    }
    qe_free(budget->mem, old);
    return true;
}

static struct place *find(const struct qe_budget *budget, const struct qe_addr *addr)
{
    struct place *set = budget->count ? set_of(budget, addr) : NULL;
    for (size_t i = 0; set && i < WAYS; i++)
        if (qe_addr_equal(&set[i].addr, addr)) return &set[i];
    return NULL;
}

// One that is over, or, rather than none, one whose rests are forgotten with it.
static struct place *room_in(struct place *set, uint64_t now_ns, bool full)
{
    struct place *oldest = NULL;
    for (size_t i = 0; i < WAYS; i++) {
        if (is_over(&set[i], now_ns)) return &set[i];
        if (!full || now_ns - last_ns(&set[i]) < QE_BUDGET_WINDOW_NS) continue;
        if (!oldest || last_ns(&set[i]) < last_ns(oldest)) oldest = &set[i];
    }
    return oldest;
}

static struct place *place_of(struct qe_budget *budget, const struct qe_addr *addr, uint64_t now_ns)
{
    struct place *place = find(budget, addr);
    if (place) return place;
    if (budget->count == 0 && !grow(budget)) return NULL;
    while (!(place = room_in(set_of(budget, addr), now_ns, false)) && grow(budget)) {
    }
    if (!place) place = room_in(set_of(budget, addr), now_ns, true);
    if (place) *place = (struct place){.addr = *addr};
    return place;
}

static bool has_room(const struct place *place, uint64_t now_ns)
{
    uint64_t oldest_ns = place->at_ns[place->next];
    return oldest_ns == 0 || now_ns - oldest_ns >= QE_BUDGET_WINDOW_NS;
}

static void spend(struct place *place, uint64_t now_ns)
{
    place->at_ns[place->next] = now_ns ? now_ns : 1;
    place->next = (uint8_t)((place->next + 1) % QE_BUDGET_PACKETS);
}

bool qe_budget_ask(struct qe_budget *budget, const struct qe_addr *to, uint64_t now_ns)
{
    struct place *place = place_of(budget, to, now_ns);
    if (!place || !has_room(place, now_ns)) return false;
    bool begins =
        place->rounds == 0 || place->own == QE_BUDGET_PACKETS || now_ns - place->round_ns >= QE_BUDGET_WINDOW_NS;
    if (begins && place->rounds > 0 && now_ns - place->round_ns < rest_ns(place)) return false;
    if (begins) {
        if (place->rounds < UINT8_MAX) place->rounds++;
        place->round_ns = now_ns;
        place->own = 0;
    }
    place->own++;
    spend(place, now_ns);
    return true;
}

bool qe_budget_answer(struct qe_budget *budget, const struct qe_addr *to, uint64_t now_ns)
{
    struct place *place = place_of(budget, to, now_ns);
    if (!place || !has_room(place, now_ns)) return false;
    spend(place, now_ns);
    return true;
}

void qe_budget_on_proven(struct qe_budget *budget, const struct qe_addr *to)
{
    struct place *place = find(budget, to);
    if (place) *place = (struct place){.addr.ip.family = 0};
}

void qe_budget_on_network(struct qe_budget *budget)
{
    for (size_t i = 0; i < budget->count; i++)
        budget->places[i].rounds = 0;
}

void qe_budget_on_reason(struct qe_budget *budget, const struct qe_addr *to)
{
    struct place *place = find(budget, to);
    if (place) place->rounds = 0;
}

size_t qe_budget_count(const struct qe_budget *budget)
{
    size_t count = 0;
    for (size_t i = 0; i < budget->count; i++)
        count += budget->places[i].addr.ip.family != 0;
    return count;
}
