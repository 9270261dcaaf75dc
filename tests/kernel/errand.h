// A helper process with a TUN of a test's own, and requests to it.
#ifndef QE_TESTS_KERNEL_ERRAND_H
#define QE_TESTS_KERNEL_ERRAND_H

#include "kernel/kernel.h"
#include "tun.h"

struct errand {
    struct qe_kernel kernel;
    struct qe_tun tun;
    uint64_t request;
    enum qe_result_code code; // of the last answer
    char text[QE_KERNEL_TEXT_SIZE];
    struct qe_cidr list[QE_KERNEL_RESOLVED_MAX];
    size_t count;
    int fd;          // that came with it; -1: none
    char logs[4096]; // what the helper had to say, a line each
};

// A helper, and a TUN of that name with these addresses (separated by spaces), which the helper knows.
void errand_begin(struct errand *errand, const char *tun_name, const char *addresses);
// As where the daemon stops: the helper first, then the TUN.
void errand_end(struct errand *errand);

// Each sends a request and waits for its answer, ten seconds at most; true where that is OK.
bool errand_prefixes(struct errand *errand, enum qe_kernel_kind kind, const char *prefixes, bool flag);
bool errand_text(struct errand *errand, enum qe_kernel_kind kind, const char *text, const char *addr);
bool errand_socket(struct errand *errand, const char *addr, bool underlay);
// Sends without waiting; waits for the next answer, which may be another's.
uint64_t errand_send(struct errand *errand, enum qe_kernel_kind kind, const char *text);
bool errand_wait(struct errand *errand, uint64_t *request);

#endif
