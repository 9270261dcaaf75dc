#include "nft.h"

#include "child.h"

#include <dlfcn.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_S 10

struct library {
    __typeof__(&nft_ctx_new) make;
    __typeof__(&nft_ctx_buffer_output) keep_output;
    __typeof__(&nft_ctx_buffer_error) keep_error;
    __typeof__(&nft_run_cmd_from_buffer) run;
    __typeof__(&nft_ctx_get_output_buffer) output;
    __typeof__(&nft_ctx_get_error_buffer) error;
};

static int load(struct library *library)
{
    void *handle = dlopen("libnftables.so.1", RTLD_NOW);
    if (!handle) return -1;
    library->make = (__typeof__(library->make))dlsym(handle, "nft_ctx_new");
    library->keep_output = (__typeof__(library->keep_output))dlsym(handle, "nft_ctx_buffer_output");
    library->keep_error = (__typeof__(library->keep_error))dlsym(handle, "nft_ctx_buffer_error");
    library->run = (__typeof__(library->run))dlsym(handle, "nft_run_cmd_from_buffer");
    library->output = (__typeof__(library->output))dlsym(handle, "nft_ctx_get_output_buffer");
    library->error = (__typeof__(library->error))dlsym(handle, "nft_ctx_get_error_buffer");
    return library->make && library->keep_output && library->keep_error && library->run && library->output &&
                   library->error
               ? 0
               : -1;
}

static int work(const void *commands, char *text, size_t room)
{
    struct library nft;
    if (load(&nft)) {
        snprintf(text, room, "nftables is not installed (libnftables.so.1)");
        return 1;
    }
    struct nft_ctx *context = nft.make(NFT_CTX_DEFAULT);
    if (!context || nft.keep_output(context) || nft.keep_error(context)) {
        snprintf(text, room, "nftables does not start");
        return 1;
    }
    int result = nft.run(context, commands) ? 1 : 0;
    const char *said = result ? nft.error(context) : nft.output(context);
    snprintf(text, room, "%s", said ? said : "");
    // The first line says what; the others show where.
    if (result) text[strcspn(text, "\n")] = '\0';
    return result;
}

int qe_nft_run(const char *commands, char *out, size_t room)
{
    return qe_child_run(work, commands, LIMIT_S, out, room) == 0 ? 0 : -1;
}
