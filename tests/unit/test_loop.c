// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmocka_unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "error.h"
#include "loop.h"

struct world {
	struct loop *loop;
	char log[64];
	unsigned int len;
};

struct named {
	struct world *w;
	char name;
	struct loop_call call;
	struct loop_timer timer;
	struct loop_fd fd;
};

static void note(struct named *n)
{
	n->w->log[n->w->len++] = n->name;
}

static void note_call(void *opaque)
{
	note(opaque);
}

static void note_and_stop(void *opaque)
{
	struct named *n = opaque;

	note(n);
	loop_stop(n->w->loop);
}

static void timers_fire_in_order(void **state)
{
	struct world w = { 0 };
	struct named n[4];
	uint64_t now;
	int i;

	(void)state;
	assert_int_equal(loop_new(&w.loop, NULL), 0);
	for (i = 0; i < 4; i++)
		n[i] = (struct named){ .w = &w, .name = (char)('a' + i) };
	for (i = 0; i < 4; i++) {
		n[i].timer.fn = i == 3 ? note_and_stop : note_call;
		n[i].timer.opaque = &n[i];
	}
	now = loop_now();
	loop_timer_arm(w.loop, &n[3].timer, now + 3000000);
	loop_timer_arm(w.loop, &n[1].timer, now + 2000000);
	loop_timer_arm(w.loop, &n[0].timer, now + 9000000000);
	loop_timer_arm(w.loop, &n[2].timer, now + 1500000);
	loop_timer_arm(w.loop, &n[0].timer, now + 1000000); /* moved */
	loop_timer_cancel(w.loop, &n[2].timer);
	assert_int_equal(loop_run(w.loop), 0);
	assert_string_equal(w.log, "abd");
	assert_true(loop_now() - now >= 3000000);
	loop_free(w.loop);
}

static void *poster(void *opaque)
{
	struct named *n = opaque;

	usleep(1000);
	loop_post(n[0].w->loop, &n[1].call);
	return NULL;
}

static void posts_arrive_from_threads(void **state)
{
	struct world w = { 0 };
	struct named n[3];
	pthread_t thread;
	int i;

	(void)state;
	assert_int_equal(loop_new(&w.loop, NULL), 0);
	for (i = 0; i < 3; i++) {
		n[i] = (struct named){ .w = &w, .name = (char)('a' + i) };
		n[i].call.fn = i == 1 ? note_and_stop : note_call;
		n[i].call.opaque = &n[i];
	}
	loop_post(w.loop, &n[2].call);
	loop_unpost(w.loop, &n[2].call);
	loop_post(w.loop, &n[0].call);
	loop_post(w.loop, &n[0].call); /* queued once */
	pthread_create(&thread, NULL, poster, n);
	assert_int_equal(loop_run(w.loop), 0);
	pthread_join(thread, NULL);
	assert_string_equal(w.log, "ab");
	loop_free(w.loop);
}

struct pair {
	struct world w;
	struct named a, b;
	int pipes[2][2];
};

/* Whoever comes first deletes the other, whose event is in the same batch. */
static void kill_other(void *opaque, uint32_t events)
{
	struct named *n = opaque;
	struct pair *p = (struct pair *)n->w;
	struct named *other = n == &p->a ? &p->b : &p->a;

	(void)events;
	note(n);
	loop_fd_del(n->w->loop, &other->fd);
	loop_stop(n->w->loop);
}

static void deleted_fd_is_not_called(void **state)
{
	struct pair p = { 0 };
	struct named *n[2] = { &p.a, &p.b };
	int i;

	(void)state;
	assert_int_equal(loop_new(&p.w.loop, NULL), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(pipe(p.pipes[i]), 0);
		*n[i] = (struct named){ .w = &p.w, .name = 'x' };
		n[i]->fd = (struct loop_fd){ .fd = p.pipes[i][0],
					     .events = EPOLLIN,
					     .fn = kill_other,
					     .opaque = n[i] };
		assert_int_equal(loop_fd_add(p.w.loop, &n[i]->fd), 0);
		assert_int_equal(write(p.pipes[i][1], "x", 1), 1);
	}
	assert_int_equal(loop_run(p.w.loop), 0);
	assert_string_equal(p.w.log, "x");
	loop_fd_del(p.w.loop, &p.a.fd);
	loop_fd_del(p.w.loop, &p.b.fd);
	for (i = 0; i < 2; i++) {
		close(p.pipes[i][0]);
		close(p.pipes[i][1]);
	}
	loop_free(p.w.loop);
}

static void read_once(void *opaque, uint32_t events)
{
	struct named *n = opaque;
	char c;

	(void)events;
	if (read(n->fd.fd, &c, 1) == 1) {
		note(n);
		return;
	}
	loop_fd_set(n->w->loop, &n->fd, 0);
	loop_stop(n->w->loop);
}

static void regular_file_is_always_ready(void **state)
{
	struct world w = { 0 };
	struct named n = { .w = &w, .name = 'r' };
	FILE *f = tmpfile();

	(void)state;
	assert_non_null(f);
	fputs("123", f);
	rewind(f);
	assert_int_equal(loop_new(&w.loop, NULL), 0);
	n.fd = (struct loop_fd){ .fd = fileno(f),
				 .events = EPOLLIN,
				 .fn = read_once,
				 .opaque = &n };
	assert_int_equal(loop_fd_add(w.loop, &n.fd), 0);
	assert_int_equal(loop_run(w.loop), 0);
	assert_string_equal(w.log, "rrr");
	loop_fd_del(w.loop, &n.fd);
	loop_free(w.loop);
	fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_in_order),
		cmocka_unit_test(posts_arrive_from_threads),
		cmocka_unit_test(deleted_fd_is_not_called),
		cmocka_unit_test(regular_file_is_always_ready),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
