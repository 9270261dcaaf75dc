#include "nat/search.h"

#define LOWEST 1024
#define PORTS  (65536 - LOWEST)
// When ports above the base are asked, how many, and how far apart: 256 that follow one another cannot be missed.
#define NEAR_FROM  300
#define NEAR_COUNT 64
#define NEAR_STEP  8

void qe_search_init(struct qe_search *search, uint16_t base, uint32_t random)
{
    // PORTS is 2^10 · 3^2 · 7: a stride that is odd and a multiple of neither 3 nor 7 visits each of them once.
    uint32_t stride = (random >> 16) | 1;
    while (stride % 3 == 0 || stride % 7 == 0)
        stride += 2;
    *search = (struct qe_search){.base = base, .start = (uint16_t)random, .stride = (uint16_t)stride};
}

uint16_t qe_search_next(struct qe_search *search)
{
    uint32_t i = search->sent;
    if (i == QE_SEARCH_PORTS) return 0;
    search->sent++;
    if (i >= NEAR_FROM && i < NEAR_FROM + NEAR_COUNT) {
        uint32_t port = search->base + 1 + (i - NEAR_FROM) * NEAR_STEP;
        return (uint16_t)(port < 65536 ? port : LOWEST + (port - 65536));
    }
    return (uint16_t)(LOWEST + (search->start + (uint64_t)i * search->stride) % PORTS);
}
