// SPDX-License-Identifier: GPL-2.0-or-later
/* The runtime directory, and who may have a socket in it. */
#include "cmocka_unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/rundir.h"
#include "control/socket.h"
#include "error.h"

static char base[32];

static int setup(void **state)
{
	(void)state;
	strcpy(base, "/tmp/vireo-test-XXXXXX");
	return mkdtemp(base) ? setenv("XDG_RUNTIME_DIR", base, 1) : -1;
}

static int teardown(void **state)
{
	char dir[64];

	(void)state;
	snprintf(dir, sizeof(dir), "%s/vireo", base);
	unlink(dir);
	rmdir(dir);
	return rmdir(base);
}

static void directory_is_made_once(void **state)
{
	char dir[RUNDIR_PATH_MAX], want[64];
	struct error err;
	struct stat st;

	(void)state;
	assert_int_equal(rundir_open(dir, false, &err), -ENOENT);
	assert_int_equal(rundir_open(dir, true, &err), 0);
	assert_int_equal(rundir_open(dir, true, &err), 0);
	assert_int_equal(rundir_open(dir, false, &err), 0);
	snprintf(want, sizeof(want), "%s/vireo", base);
	assert_string_equal(dir, want);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void directory_of_others_is_refused(void **state)
{
	char dir[RUNDIR_PATH_MAX], path[64];
	struct error err;

	(void)state;
	snprintf(path, sizeof(path), "%s/vireo", base);
	assert_int_equal(symlink("/tmp", path), 0);
	assert_int_equal(rundir_open(dir, true, &err), -ENOTDIR);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, 0770), 0);
	assert_int_equal(rundir_open(dir, true, &err), -EPERM);
	if (geteuid())
		return;
	assert_int_equal(chmod(path, 0700), 0);
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(rundir_open(dir, true, &err), -EPERM);
}

static void names_are_file_names(void **state)
{
	static const char *const names[] = { "vm",
					     "a b",
					     ".x",
					     "a/../b",
					     "100%",
					     "a.qmp",
					     "///////////////////////////////" };
	char path[RUNDIR_PATH_MAX], name[RUNDIR_NAME_MAX];
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(rundir_file(path, "/d", names[i], "qmp", &err),
				 0);
		assert_int_equal(strncmp(path, "/d/", 3), 0);
		assert_null(strchr(path + 3, '/'));
		assert_int_not_equal(path[3], '.');
		assert_true(rundir_name(name, path + 3, "qmp"));
		assert_string_equal(name, names[i]);
		assert_false(rundir_name(name, path + 3, "console"));
	}
	assert_false(rundir_name(name, ".qmp", "qmp"));
	assert_false(rundir_name(name, "a%2.qmp", "qmp"));
	assert_false(rundir_name(name, "a%00b.qmp", "qmp"));
	assert_false(rundir_name(name, "01234567890123456789012345678901.qmp",
				 "qmp"));
	assert_int_equal(rundir_file(path, "/d",
				     "01234567890123456789012345678901", "qmp",
				     &err),
			 0);
	memset(path, 'd', 100);
	path[100] = '\0';
	assert_int_equal(rundir_file(path, strdupa(path), "name", "qmp", &err),
			 -ENAMETOOLONG);
}

static void sockets_are_replaced_when_stale(void **state)
{
	char dir[RUNDIR_PATH_MAX], path[RUNDIR_PATH_MAX];
	struct listener a, b;
	struct error err;
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(rundir_open(dir, true, &err), 0);
	assert_int_equal(rundir_file(path, dir, "a", "qmp", &err), 0);
	assert_int_equal(socket_connect(path, &err), -ENOENT);
	assert_int_equal(socket_listen(&a, path, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	fd = socket_connect(path, &err);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(socket_listen(&b, path, &err), -EADDRINUSE);
	assert_int_equal(socket_remove_stale(path, &err), -EADDRINUSE);

	/* Its process dies. */
	close(a.fd);
	assert_int_equal(socket_connect(path, &err), -ECONNREFUSED);
	assert_int_equal(socket_listen(&b, path, &err), 0);

	/* Somebody removes its socket and takes its place. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(socket_listen(&a, path, &err), 0);
	socket_unlisten(&b);
	assert_int_equal(stat(path, &st), 0);

	close(a.fd);
	assert_int_equal(socket_remove_stale(path, &err), 0);
	assert_int_equal(socket_remove_stale(path, &err), 0);
	assert_int_equal(stat(path, &st), -1);

	assert_int_equal(socket_listen(&a, path, &err), 0);
	socket_unlisten(&a);
	assert_int_equal(stat(path, &st), -1);

	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(socket_listen(&a, path, &err), -EEXIST);
	rmdir(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(directory_is_made_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(directory_of_others_is_refused,
						setup, teardown),
		cmocka_unit_test(names_are_file_names),
		cmocka_unit_test_setup_teardown(sockets_are_replaced_when_stale,
						setup, teardown),
	};

	return cmocka_run_group_tests_name("rundir", tests, NULL, NULL);
}
