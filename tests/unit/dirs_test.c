#include "dirs.h"
#include "scratch.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct qe_fault fault;

// As another user where we are root: "state control config", or the fault.
static const char *defaults(const char *home, const char *state_home, const char *runtime)
{
    static char out[3 * QE_PATH_SIZE];
    int ends[2];
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct qe_dirs dirs;
        const char *names[] = {"HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"};
        const char *values[] = {home, state_home, NULL, runtime};
        for (int i = 0; i < 4; i++) {
            unsetenv(names[i]);
            if (values[i]) setenv(names[i], values[i], 1);
        }
        if (geteuid() == 0 && setuid(54321)) _exit(1);
        int result = qe_dirs_default(&dirs, &fault);
        int size = result ? snprintf(out, sizeof out, "%s", fault.text)
                          : snprintf(out, sizeof out, "%s %s %s", dirs.state, dirs.control, dirs.config);
        _exit(write(ends[1], out, (size_t)size) != size);
    }
    ssize_t size = read(ends[0], out, sizeof out - 1);
    out[size > 0 ? size : 0] = '\0';
    waitpid(pid, NULL, 0);
    close(ends[0]);
    close(ends[1]);
    return out;
}

static void a_users_things_are_where_the_xdg_specification_has_them(void)
{
    CU_ASSERT_STRING_EQUAL(defaults("/home/u", NULL, "/run/user/7"),
        "/home/u/.local/state/quicether /run/user/7/quicether/control.sock /home/u/.config/quicether/config.toml");
    CU_ASSERT_STRING_EQUAL(defaults("/home/u", "/s", "/r"),
        "/s/quicether /r/quicether/control.sock /home/u/.config/quicether/config.toml");
    // Relative ones are to be ignored.
    CU_ASSERT_STRING_EQUAL(defaults("/home/u", "s", NULL),
        "/home/u/.local/state/quicether /home/u/.local/state/quicether/control.sock "
        "/home/u/.config/quicether/config.toml");
    CU_ASSERT_PTR_NOT_NULL(strstr(defaults(NULL, NULL, "/r"), "HOME is not set"));
}

static void roots_things_are_the_systems(void)
{
    struct qe_dirs dirs;
    if (geteuid() != 0) {
        puts("skipped: not root");
        return;
    }
    CU_ASSERT_EQUAL(qe_dirs_default(&dirs, &fault), 0);
    CU_ASSERT_STRING_EQUAL(dirs.state, "/var/lib/quicether");
    CU_ASSERT_STRING_EQUAL(dirs.control, "/run/quicether/control.sock");
    CU_ASSERT_STRING_EQUAL(dirs.config, "/etc/quicether/config.toml");
}

static void missing_folders_are_made_and_others_left(void)
{
    struct stat st;
    scratch_begin();
    mkdir(scratch_path("a"), 0755);
    chmod(scratch_path("a"), 0755);
    CU_ASSERT_EQUAL(qe_dirs_make(scratch_path("a/b//c/"), 0700, &fault), 0);
    CU_ASSERT_EQUAL(stat(scratch_path("a"), &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0755);
    CU_ASSERT_EQUAL(stat(scratch_path("a/b"), &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0700);
    CU_ASSERT_EQUAL(qe_dirs_make(scratch_path("a/b/c"), 0700, &fault), 0);
    scratch_write("file", "", 0, 0600);
    CU_ASSERT_EQUAL(qe_dirs_make(scratch_path("file"), 0700, &fault), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "/file is not a directory"));
    CU_ASSERT_EQUAL(qe_dirs_make(scratch_path("file/below"), 0700, &fault), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "/file/below: Not a directory"));
    scratch_end();
}

static void paths_become_absolute(void)
{
    char out[QE_PATH_SIZE], cwd[512], expected[600], longer[2 * QE_PATH_SIZE];
    CU_ASSERT_EQUAL(qe_dirs_absolute("/x/y", out, &fault), 0);
    CU_ASSERT_STRING_EQUAL(out, "/x/y");
    CU_ASSERT_PTR_NOT_NULL_FATAL(getcwd(cwd, sizeof cwd));
    snprintf(expected, sizeof expected, "%s/x/y", strcmp(cwd, "/") == 0 ? "" : cwd);
    CU_ASSERT_EQUAL(qe_dirs_absolute("x/y", out, &fault), 0);
    CU_ASSERT_STRING_EQUAL(out, expected);
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    CU_ASSERT_EQUAL(qe_dirs_absolute(longer, out, &fault), -1);
    longer[0] = '/';
    CU_ASSERT_EQUAL(qe_dirs_absolute(longer, out, &fault), -1);
    CU_ASSERT_EQUAL(qe_dirs_make(longer, 0700, &fault), -1);
    CU_ASSERT_EQUAL(fault.exit, QE_EXIT_STATE);
}

static const struct unit_case cases[] = {
    {"a user's things are where the XDG specification has them",
        a_users_things_are_where_the_xdg_specification_has_them},
    {"root's things are the system's", roots_things_are_the_systems},
    {"missing folders are made and others left", missing_folders_are_made_and_others_left},
    {"paths become absolute", paths_become_absolute},
};
UNIT_MAIN("dirs", cases)
