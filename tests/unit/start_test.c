// What `quicether start` makes of files and the command line, and `quicether id` of a state directory.
#include "cli/id.h"
#include "cli/start.h"
#include "scratch.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char told[4096];

static void hear(void *user, enum qe_log_level level, const char *line)
{
    (void)user;
    size_t used = strlen(told);
    snprintf(told + used, sizeof told - used, "%s%s\n", level == QE_LOG_WARN ? "warning: " : "", line);
}

static const struct qe_config_sink sink = {NULL, hear};

// Configures from a command line; "D/" in it is the scratch directory.
static int configure(const char *line, const char *default_file, struct qe_config *config)
{
    static char words[16][256];
    char copy[512], error[QE_CLI_ERROR_SIZE] = "";
    char *argv[16] = {(char *)"quicether", (char *)"start"};
    int argc = 2;
    struct qe_cli_options options;
    told[0] = 0;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "), argc++) {
        snprintf(words[argc], sizeof words[argc], "%s", strncmp(word, "D/", 2) == 0 ? scratch_path(word + 2) : word);
        argv[argc] = words[argc];
    }
    CU_ASSERT_EQUAL_FATAL(qe_cli_parse(argc, argv, &options, error), 0);
    int result = qe_cli_configure(&options, default_file ? scratch_path(default_file) : NULL, &sink, config);
    qe_cli_options_fini(&options);
    return result;
}

static void write_text(const char *name, const char *text)
{
    scratch_write(name, text, strlen(text), 0644);
}

static void later_words_override_earlier_ones(void)
{
    struct qe_config config;
    scratch_begin();
    write_text("default.toml", "[node]\nname = \"default\"\n[network]\ntun_name = \"tun-default\"\n");
    write_text("named.toml", "[node]\nname = \"named\"\n[network]\nlisten = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n");

    CU_ASSERT_EQUAL(configure("", NULL, &config), 0);
    CU_ASSERT_STRING_EQUAL(config.name, "");
    CU_ASSERT_STRING_EQUAL(config.tun_name, "quicether0");
    qe_config_fini(&config);

    CU_ASSERT_EQUAL(configure("", "absent.toml", &config), 0);
    CU_ASSERT_STRING_EQUAL(config.tun_name, "quicether0");
    qe_config_fini(&config);

    CU_ASSERT_EQUAL(configure("", "default.toml", &config), 0);
    CU_ASSERT_STRING_EQUAL(config.name, "default");
    CU_ASSERT_STRING_EQUAL(config.tun_name, "tun-default");
    qe_config_fini(&config);

    // A named file stands instead of the default one, not on top of it.
    CU_ASSERT_EQUAL(configure("--config D/named.toml", "default.toml", &config), 0);
    CU_ASSERT_STRING_EQUAL(config.name, "named");
    CU_ASSERT_STRING_EQUAL(config.tun_name, "quicether0");
    CU_ASSERT_EQUAL(config.listen_count, 2);
    qe_config_fini(&config);

    CU_ASSERT_EQUAL(configure("--config D/named.toml --name last --listen 127.0.0.1:3 --tun-name t --tun-addr "
                              "10.1.2.3/8 --log-level debug --name laster",
                        NULL, &config),
        0);
    CU_ASSERT_STRING_EQUAL(config.name, "laster");
    CU_ASSERT_STRING_EQUAL(config.tun_name, "t");
    CU_ASSERT_EQUAL(config.tun_addr.bits, 8);
    CU_ASSERT_EQUAL(config.listen_count, 1);
    CU_ASSERT_EQUAL(config.listen[0].port, 3);
    CU_ASSERT_EQUAL(config.log_level, QE_LOG_DEBUG);
    qe_config_fini(&config);
    CU_ASSERT_STRING_EQUAL(told, "");
    scratch_end();
}

static void peers_of_the_command_line_may_be_names_of_the_file(void)
{
    struct qe_config config;
    scratch_begin();
    write_text("c.toml", "[peers.names]\nhome = \"qeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n");
    CU_ASSERT_EQUAL(configure("--config D/c.toml --peer home@192.0.2.1:9000 --peer-allow "
                              "qebaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                        NULL, &config),
        0);
    CU_ASSERT_STRING_EQUAL(told, "");
    CU_ASSERT_EQUAL_FATAL(config.peer_count, 2);
    CU_ASSERT_STRING_EQUAL(config.peers[0].name, "home");
    CU_ASSERT_EQUAL(config.peers[0].addr.port, 9000);
    CU_ASSERT_EQUAL(config.peers[1].addr.ip.family, 0);
    qe_config_fini(&config);
    scratch_end();
}

static void all_mistakes_of_a_command_line_are_told(void)
{
    struct qe_config config;
    CU_ASSERT_EQUAL(configure("--listen x --log-level loud --peer y --name UPPER! --tun-name a/b", NULL, &config), -1);
    qe_config_fini(&config);
    static const char *const options[] = {"--listen", "--log-level", "--peer", "--name", "--tun-name"};
    char *line = told;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        CU_ASSERT_FATAL(strncmp(line, options[i], strlen(options[i])) == 0);
        line = strchr(line, '\n') + 1;
    }
    CU_ASSERT_STRING_EQUAL(line, "");
}

static void a_file_that_cannot_be_read_is_named_with_the_reason(void)
{
    static const struct {
        const char *line, *default_file, *told; // a part of it
    } rows[] = {
        {"--config D/absent.toml", NULL, "/absent.toml: No such file or directory\n"},
        {"--config D/folder", NULL, "/folder: it is not a file\n"},
        {"", "folder", "/folder: it is not a file\n"},
        {"--config D/good.toml/x", NULL, "/x: Not a directory\n"},
        {"--config D/loop", NULL, "/loop: Too many levels of symbolic links\n"},
        {"", "loop", "/loop: Too many levels of symbolic links\n"},
        {"--config D/bad.toml", NULL, "/bad.toml:2: "},
        {"", "bad.toml", "/bad.toml:2: "},
        {"--config D/large.toml", NULL, "/large.toml"},
    };
    static char large[(1 << 20) + 2];
    struct qe_config config;
    scratch_begin();
    CU_ASSERT_EQUAL(mkdir(scratch_path("folder"), 0700), 0);
    CU_ASSERT_EQUAL(symlink("loop", scratch_path("loop")), 0);
    write_text("good.toml", "");
    write_text("bad.toml", "[network]\nmtu = \"large\"\n");
    memset(large, '\n', sizeof large);
    scratch_write("large.toml", large, sizeof large, 0644);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CU_ASSERT_EQUAL(configure(rows[i].line, rows[i].default_file, &config), -1);
        CU_ASSERT_PTR_NOT_NULL(strstr(told, rows[i].told));
        if (!strstr(told, rows[i].told)) fprintf(stderr, "row %zu: %s", i, told);
        qe_config_fini(&config);
    }
    scratch_end();
}

static void standard_input_and_empty_files_are_configurations(void)
{
    struct qe_config config;
    int ends[2];
    char path[64];
    scratch_begin();
    write_text("empty.toml", "");
    CU_ASSERT_EQUAL(configure("--config D/empty.toml", NULL, &config), 0);
    qe_config_fini(&config);
    CU_ASSERT_EQUAL(configure("--config /dev/null", NULL, &config), 0);
    qe_config_fini(&config);
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    CU_ASSERT_EQUAL(write(ends[1], "[node]\nname = \"piped\"\n", 22), 22);
    close(ends[1]);
    snprintf(path, sizeof path, "--config /dev/fd/%d", ends[0]);
    CU_ASSERT_EQUAL(configure(path, NULL, &config), 0);
    CU_ASSERT_STRING_EQUAL(config.name, "piped");
    qe_config_fini(&config);
    close(ends[0]);
    scratch_end();
}

static int id_of(const char *state_dir, bool json, char out[256], char err[512])
{
    struct qe_cli_options options = {.command = QE_CLI_ID, .state_dir = state_dir, .json = json};
    memset(out, 0, 256);
    memset(err, 0, 512);
    FILE *o = fmemopen(out, 255, "w"), *e = fmemopen(err, 511, "w");
    int status = qe_cli_id(&options, o, e);
    fclose(o);
    fclose(e);
    return status;
}

static void an_id_is_made_once_and_stays(void)
{
    char first[256], second[256], json[300], err[512];
    struct stat st;
    scratch_begin();
    CU_ASSERT_EQUAL(id_of(scratch_path("deep/state"), false, first, err), QE_EXIT_OK);
    CU_ASSERT_EQUAL(strlen(first), QE_NODE_ID_TEXT_SIZE);
    CU_ASSERT_EQUAL(strncmp(first, "qe", 2), 0);
    CU_ASSERT_EQUAL(stat(scratch_path("deep/state/identity.key"), &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
    CU_ASSERT_EQUAL(id_of(scratch_path("deep/state"), false, second, err), QE_EXIT_OK);
    CU_ASSERT_STRING_EQUAL(first, second);
    CU_ASSERT_EQUAL(id_of(scratch_path("deep/state"), true, second, err), QE_EXIT_OK);
    snprintf(json, sizeof json, "{\"node_id\":\"%.34s\"}\n", first);
    CU_ASSERT_STRING_EQUAL(second, json);
    CU_ASSERT_EQUAL(id_of(scratch_path("other"), false, second, err), QE_EXIT_OK);
    CU_ASSERT_STRING_NOT_EQUAL(first, second);

    scratch_write("deep/state/identity.key", "damaged", 7, 0600);
    CU_ASSERT_EQUAL(id_of(scratch_path("deep/state"), false, second, err), QE_EXIT_STATE);
    CU_ASSERT_STRING_EQUAL(second, "");
    CU_ASSERT_PTR_NOT_NULL(strstr(err, "deep/state/identity.key is damaged"));
    scratch_end();
}

static const struct unit_case cases[] = {
    {"later words override earlier ones", later_words_override_earlier_ones},
    {"peers of the command line may be names of the file", peers_of_the_command_line_may_be_names_of_the_file},
    {"all mistakes of a command line are told", all_mistakes_of_a_command_line_are_told},
    {"a file that cannot be read is named with the reason", a_file_that_cannot_be_read_is_named_with_the_reason},
    {"standard input and empty files are configurations", standard_input_and_empty_files_are_configurations},
    {"an ID is made once and stays", an_id_is_made_once_and_stays},
};
UNIT_MAIN("start", cases)
