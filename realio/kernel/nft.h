// nftables through its own library, which is part of nearly every installation, but looked for only where it is needed.
#ifndef QE_REALIO_KERNEL_NFT_H
#define QE_REALIO_KERNEL_NFT_H

#include <stddef.h>

// Runs commands as nft(8) reads them: all or none. `out` gets what they print, or in one line why they failed. 0 or -1.
// In a child process, so that the library's memory does not stay.
int qe_nft_run(const char *commands, char *out, size_t room);

#endif
