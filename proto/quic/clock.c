// The clock that OpenSSL sees. Session tickets carry the wall time, so it must be the one of the event at hand: the
// link option --wrap (CMakeLists.txt) leads every gettimeofday and time of a static library here.
#include "quic/scope.h"

#include <stddef.h>
#include <sys/time.h>
#include <time.h>

_Thread_local const struct qe_tls_scope *qe_quic_current;

int __wrap_gettimeofday(struct timeval *tv, void *zone);
time_t __wrap_time(time_t *out);

// Outside of any node there is no time: 1970, as on a machine without a clock.
static uint64_t wall_ms(void)
{
    return qe_quic_current ? qe_quic_current->wall_ms : 0;
}

int __wrap_gettimeofday(struct timeval *tv, void *zone)
{
    (void)zone;
    uint64_t ms = wall_ms();
    tv->tv_sec = (time_t)(ms / 1000);
    tv->tv_usec = (suseconds_t)(ms % 1000 * 1000);
    return 0;
}

time_t __wrap_time(time_t *out)
{
    time_t seconds = (time_t)(wall_ms() / 1000);
    if (out) *out = seconds;
    return seconds;
}
