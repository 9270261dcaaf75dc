// The daemon's own counters as a line for the log: what the kernel did not take or lost, which the node cannot see.
#include "io.h"

#include <stdio.h>
#include <string.h>

void qe_io_log_counters(struct qe_io *io)
{
    const struct {
        const char *name;
        uint64_t value;
    } list[] = {
        {"udp_received_datagrams", io->udp.received_datagrams},
        {"udp_receive_calls", io->udp.receive_calls},
        {"udp_sent_datagrams", io->udp.sent_datagrams},
        {"udp_send_calls", io->udp.send_calls},
        {"udp_dropped_too_big", io->udp.dropped_too_big},
        {"udp_dropped_unreachable", io->udp.dropped_unreachable},
        {"udp_dropped_no_memory", io->udp.dropped_no_memory},
        {"udp_dropped_other", io->udp.dropped_other},
        {"udp_dropped_queue", io->udp.dropped_queue},
        {"udp_dropped_received", io->udp.dropped_received},
        {"udp_receive_overflow", io->udp.overflow},
        {"udp_send_blocked", io->udp.blocked},
        {"udp_gso_refused", io->udp.gso_refused},
        {"tun_read_packets", io->tun.counters.read_packets},
        {"tun_written_packets", io->tun.counters.written_packets},
        {"tun_bad_header", io->tun.counters.bad_header},
        {"tun_no_buffer", io->tun.counters.no_buffer},
        {"tun_write_drops", io->tun.counters.write_drops},
        {"links_dropped", io->links ? io->links->dropped : 0},
        {"store_lost", qe_store_lost(io->options.store)},
        {"loop_wakeups", io->options.loop->wakeups},
    };
    char line[QE_LOG_LINE_MAX - 64] = "counted:";
    const size_t nothing = strlen(line);
    size_t used = nothing;
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        if (list[i].value == 0) continue;
        int size =
            snprintf(line + used, sizeof line - used, " %s=%llu", list[i].name, (unsigned long long)list[i].value);
        if (size > 0 && used + (size_t)size < sizeof line) used += (size_t)size;
    }
    // A daemon that never came up has its reason as the last line.
    if (used > nothing) qe_log_text(io->options.log, QE_LOG_INFO, line);
}
