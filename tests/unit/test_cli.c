// SPDX-License-Identifier: GPL-2.0-or-later
/* The client's side of QMP, against machines that behave and others. */
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/remote.h"
#include "cli/commands.h"
#include "cli/summary.h"
#include "cmocka_unit.h"
#include "control/socket.h"
#include "error.h"
#include "options_table.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define FLOOD ((size_t)17 << 20)

/* What the machine says, at once or after each line that it has read. */
struct script {
	const char *says[8]; /* then NULL: it closes, or waits */
	bool waits;
	bool floods; /* after all that, a line without end */
};

struct world {
	char dir[32];
	char path[80];
	struct listener listener;
	pthread_t thread;
	const struct script *script;
};

static void read_line(int fd)
{
	char c;

	while (recv(fd, &c, 1, 0) == 1 && c != '\n')
		;
}

static void say(int fd, const char *text, size_t len)
{
	ssize_t n;

	while (len && (n = send(fd, text, len, MSG_NOSIGNAL)) > 0) {
		text += n;
		len -= (size_t)n;
	}
}

static void *machine(void *opaque)
{
	struct world *w = opaque;
	const struct script *s = w->script;
	char *flood = s->floods ? malloc(FLOOD) : NULL;
	unsigned int i;
	char c;
	int fd;

	do
		fd = accept(w->listener.fd, NULL, NULL);
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	for (i = 0; s->says[i]; i++) {
		if (i)
			read_line(fd);
		say(fd, s->says[i], strlen(s->says[i]));
	}
	if (flood) {
		memset(flood, ' ', FLOOD);
		say(fd, flood, FLOOD);
	}
	while (s->waits && recv(fd, &c, 1, 0) > 0)
		;
	close(fd);
	free(flood);
	return NULL;
}

static void start(struct world *w, const struct script *script)
{
	struct error err;

	strcpy(w->dir, "/tmp/cli-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	setenv("XDG_RUNTIME_DIR", w->dir, 1);
	snprintf(w->path, sizeof(w->path), "%s/vireo", w->dir);
	assert_int_equal(mkdir(w->path, 0700), 0);
	strcat(w->path, "/m.qmp");
	assert_int_equal(socket_listen(&w->listener, w->path, &err), 0);
	w->script = script;
	if (script)
		assert_int_equal(pthread_create(&w->thread, NULL, machine, w),
				 0);
}

static void finish(struct world *w)
{
	if (w->script)
		pthread_join(w->thread, NULL);
	socket_unlisten(&w->listener);
	*strrchr(w->path, '/') = '\0';
	assert_int_equal(rmdir(w->path), 0);
	assert_int_equal(rmdir(w->dir), 0);
}

/* Opening fails so, with that text. */
static void refuses(const struct script *script, int want, const char *text)
{
	struct world w;
	struct remote *c;
	struct error err = { "" };

	start(&w, script);
	assert_int_equal(remote_open(&c, "m", script->floods ? 20000 : 200,
				     &err),
			 want);
	if (!strstr(err.text, text))
		fail_msg("'%s' is not in '%s'", text, err.text);
	finish(&w);
}

static void bad_machines(void **state)
{
	(void)state;
	refuses(&(struct script){ .says = { NULL } }, -EPIPE, "m has closed");
	refuses(&(struct script){ .says = { NULL }, .waits = true }, -ETIMEDOUT,
		"does not answer");
	refuses(&(struct script){ .says = { "220 mail.example SMTP\r\n" } },
		-EPROTO, "m does not talk QMP");
	refuses(&(struct script){ .says = { "{}\n" } }, -EPROTO,
		"m does not talk QMP");
	refuses(&(struct script){ .says = { "[ 1 ]\n" } }, -EPROTO,
		"m does not talk QMP");
	refuses(&(struct script){ .says = { GREETING }, .waits = true },
		-ETIMEDOUT, "does not answer");
	refuses(&(struct script){ .says = { GREETING } }, -EPIPE, "closed");
	refuses(&(struct script){ .says = { "" }, .floods = true }, -EPROTO,
		"without end");
	refuses(&(struct script){ .says = { GREETING,
					    "{\"error\": {\"class\": \"X\","
					    "\"desc\": \"no\"}, \"id\": 1}\n",
					    NULL } },
		-EREMOTEIO, "m: no");
}

static void executes(void **state)
{
	/* Events, empty lines, answers to others, pieces: all as they come. */
	static const struct script script = {
		.says = { "\r\n" GREETING "{\"event\": \"STOP\"}\n",
			  "{\"return\": {}, \"id\": 1}\n",
			  "{\"event\": \"RESUME\"}\n{\"return\": 7, \"id\": 1}\n"
			  "{\"error\": {}}\n{\"return\": [5], \"id\": 2}\n",
			  "{\"error\": {\"class\": \"CommandNotFound\","
			  " \"desc\": \"none\"}, \"id\": 3}\n",
			  "{\"error\": {\"class\": \"CommandNotFound\","
			  " \"desc\": \"none\"}, \"id\": 4}\n",
			  "{\"error\": {\"class\": \"GenericError\","
			  " \"desc\": \"bad\"}, \"id\": 5}\n",
			  NULL },
	};
	struct remote *c;
	struct error err;
	struct world w;
	json_t *ret;

	(void)state;
	start(&w, &script);
	assert_int_equal(remote_open(&c, "m", 5000, &err), 0);
	assert_string_equal(remote_name(c), "m");
	assert_int_equal(remote_pid(c), getpid());
	assert_int_equal(remote_execute(c, "a", json_pack("{}"), &ret, &err),
			 0);
	assert_int_equal(json_integer_value(json_array_get(ret, 0)), 5);
	json_decref(ret);
	assert_int_equal(remote_execute(c, "b", NULL, &ret, &err), -EREMOTEIO);
	assert_string_equal(err.text, "m: none");
	assert_null(ret);
	assert_int_equal(remote_try(c, "b", NULL, &ret, &err), 0);
	assert_null(ret);
	assert_int_equal(remote_try(c, "b", NULL, &ret, &err), -EREMOTEIO);
	assert_string_equal(err.text, "m: bad");
	assert_int_equal(remote_execute(c, "b", NULL, &ret, &err), -EPIPE);
	remote_close(c);
	finish(&w);
}

/* The listener is gone, its file is not. */
static void stale(void **state)
{
	struct machines m;
	struct remote *c;
	struct error err;
	struct world w;

	(void)state;
	start(&w, NULL);
	assert_int_equal(machines_list(&m, &err), 0);
	assert_int_equal(m.count, 1);
	assert_string_equal(m.names[0], "m");
	machines_free(&m);
	close(w.listener.fd);
	w.listener.fd = -1;
	assert_int_equal(remote_open(&c, "m", 200, &err), -ESRCH);
	assert_string_equal(
		err.text,
		"no machine named m runs any more (what it left is removed)");
	assert_int_equal(access(w.path, F_OK), -1);
	assert_int_equal(remote_open(&c, "m", 200, &err), -ESRCH);
	assert_int_equal(machines_list(&m, &err), 0);
	assert_int_equal(m.count, 0);
	machines_free(&m);
	finish(&w);
}

/* ---- words and numbers ---- */

struct args {
	bool flag;
	unsigned int num;
};

static const struct opt options[] = { { .name = "flag",
					.kind = OPT_BOOL,
					.def = "off",
					.offset = offsetof(struct args, flag) },
				      { .name = "num",
					.kind = OPT_UINT,
					.def = "7",
					.max = 9,
					.offset = offsetof(struct args, num) },
				      { 0 } };

static int parse(struct args *args, const char **words, char **argv)
{
	struct error err;
	int argc = 0;

	while (argv[argc])
		argc++;
	return cli_parse(argc, argv, options, args, words, 1, 2, &err);
}

#define ARGV(...) ((char *[]){ __VA_ARGS__, NULL })

static void parses(void **state)
{
	const char *words[2];
	struct args args;

	(void)state;
	assert_int_equal(parse(&args, words, ARGV("a")), 1);
	assert_string_equal(words[0], "a");
	assert_false(args.flag);
	assert_int_equal(args.num, 7);
	assert_int_equal(parse(&args, words,
			       ARGV("--num", "3", "a", "--flag", "b")),
			 2);
	assert_string_equal(words[1], "b");
	assert_true(args.flag);
	assert_int_equal(args.num, 3);
	assert_int_equal(parse(&args, words, ARGV("a", "--num=0")), 1);
	assert_int_equal(args.num, 0);
	assert_int_equal(parse(&args, words, ARGV("--flag")), -EINVAL);
	assert_int_equal(parse(&args, words, ARGV("a", "b", "c")), -EINVAL);
	assert_int_equal(parse(&args, words, ARGV("a", "--num")), -EINVAL);
	assert_int_equal(parse(&args, words, ARGV("a", "--num=10")), -EINVAL);
	assert_int_equal(parse(&args, words, ARGV("a", "--nun=1")), -EINVAL);
	assert_int_equal(parse(&args, words, ARGV("a", "--")), -EINVAL);
	assert_int_equal(parse(&args, words,
			       ARGV("a", "--123456789012345678901234567")),
			 -EINVAL);
}

static void is_bytes(uint64_t bytes, const char *want)
{
	char text[24];

	text_bytes(text, bytes);
	assert_string_equal(text, want);
}

static void is_seconds(int64_t seconds, const char *want)
{
	char text[24];

	text_seconds(text, seconds);
	assert_string_equal(text, want);
}

static void numbers(void **state)
{
	(void)state;
	is_bytes(0, "0K");
	is_bytes(512 << 10, "512K");
	is_bytes(16 << 20, "16M");
	is_bytes(1536ULL << 20, "1.5G");
	is_bytes(1ULL << 40, "1T");
	is_bytes(UINT64_MAX, "16.0E");
	is_seconds(-1, "-");
	is_seconds(0, "0s");
	is_seconds(185, "3m05s");
	is_seconds(3600, "1h00m");
	is_seconds(86400 * 400 + 7200, "400d02h");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_machines), cmocka_unit_test(executes),
		cmocka_unit_test(stale),	cmocka_unit_test(parses),
		cmocka_unit_test(numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
