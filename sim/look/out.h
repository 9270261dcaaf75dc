// A file that is written a little at a time: numbers, addresses and texts go into a buffer by hand, because a trace is
// millions of short pieces and printf would cost more than the run that it shows.
#ifndef QE_SIM_OUT_H
#define QE_SIM_OUT_H

#include "base/addr.h"
#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define SIM_OUT_ADDRESSES 32

// An address and its text, as last written.
struct sim_out_address {
    struct qe_addr address;
    uint8_t size; // 0: empty
    char text[QE_ADDR_TEXT_SIZE];
};

struct sim_out {
    FILE *file;
    bool failed; // something could not be written; errno said why then
    int error;
    size_t used;
    uint64_t time_ns; // whose text time_text is
    uint8_t time_size;
    char time_text[32];
    struct sim_out_address addresses[SIM_OUT_ADDRESSES];
    char buffer[1 << 16];
};

// The file stays the caller's.
void sim_out_init(struct sim_out *out, FILE *file);
// Writes what is in the buffer. 0, or -1 with errno where anything since the start could not be written.
int sim_out_flush(struct sim_out *out);

void sim_out_bytes(struct sim_out *out, const void *bytes, size_t size);
void sim_out_char(struct sim_out *out, char c);
void sim_out_text(struct sim_out *out, const char *text);
void sim_out_number(struct sim_out *out, uint64_t number);
// Seconds with nine decimals.
void sim_out_time(struct sim_out *out, uint64_t time_ns);
void sim_out_ip(struct sim_out *out, const struct qe_ip *ip);
void sim_out_address(struct sim_out *out, const struct qe_addr *address);
// A JSON string with its quotes (RFC 8259 §7); bytes that are not UTF-8 are replaced.
void sim_out_string(struct sim_out *out, const char *text);
// Little-endian numbers, as pcapng files have them.
void sim_out_le16(struct sim_out *out, uint16_t number);
void sim_out_le32(struct sim_out *out, uint32_t number);

#endif
