// SPDX-License-Identifier: GPL-2.0-or-later
/* The arithmetic of limits, by a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "block/throttle.h"

#define SECOND 1000000000ULL

static struct throttle *make(struct throttle *t, enum throttle_kind kind,
			     uint64_t rate, uint64_t burst)
{
	struct throttle_limit limits[THROTTLE_KINDS] = { 0 };

	limits[kind] = (struct throttle_limit){ rate, burst };
	throttle_init(t);
	throttle_set(t, limits);
	return t;
}

/* Requests that begin within @ns, each as soon as it may. */
static uint64_t begun(struct throttle *t, uint64_t from, uint64_t ns,
		      bool write, uint64_t bytes)
{
	uint64_t now = from, wait, n = 0;

	while (now < from + ns) {
		wait = throttle_ask(t, now, write, bytes);
		if (wait)
			now += wait;
		else
			n++;
	}
	return n;
}

static void test_ops(void **state)
{
	struct throttle t;
	uint64_t n;

	(void)state;
	make(&t, THROTTLE_OPS, 100, 0);
	assert_true(throttle_on(&t));
	n = begun(&t, 5 * SECOND, 10 * SECOND, false, 4096);
	assert_in_range(n, 1000, 1011);
	/* It does not save up. */
	n = begun(&t, 100 * SECOND, SECOND, true, 4096);
	assert_in_range(n, 100, 111);
	throttle_destroy(&t);
}

static void test_bytes(void **state)
{
	struct throttle t;
	uint64_t n;

	(void)state;
	make(&t, THROTTLE_BYTES, 1 << 20, 0);
	n = begun(&t, SECOND, 10 * SECOND, false, 64 << 10);
	assert_in_range(n, 160, 163);
	/* One that is larger than a second's worth: paid for afterwards. */
	assert_int_equal(throttle_ask(&t, 30 * SECOND, true, 4 << 20), 0);
	n = throttle_ask(&t, 30 * SECOND, true, 512);
	assert_in_range(n, 39 * SECOND / 10, 4 * SECOND);
	assert_int_equal(throttle_ask(&t, 30 * SECOND + n, true, 512), 0);
	throttle_destroy(&t);
}

static void test_split(void **state)
{
	struct throttle t;

	(void)state;
	make(&t, THROTTLE_OPS_WRITE, 10, 1);
	assert_int_equal(throttle_ask(&t, SECOND, true, 1), 0);
	assert_in_range(throttle_ask(&t, SECOND, true, 1), 1, SECOND / 10);
	assert_int_equal(throttle_ask(&t, SECOND, false, 1), 0);
	throttle_destroy(&t);
}

static void test_burst(void **state)
{
	struct throttle t;
	unsigned int i;

	(void)state;
	make(&t, THROTTLE_OPS, 10, 50);
	for (i = 0; i < 50; i++)
		assert_int_equal(throttle_ask(&t, SECOND, false, 0), 0);
	assert_in_range(throttle_ask(&t, SECOND, false, 0), 1, SECOND);
	/* It fills up again as the rate says. */
	assert_in_range(begun(&t, 3 * SECOND, 1, false, 0), 20, 21);
	throttle_destroy(&t);
}

static void test_extremes(void **state)
{
	struct throttle t;

	(void)state;
	make(&t, THROTTLE_BYTES, UINT64_MAX, UINT64_MAX);
	assert_int_equal(throttle_ask(&t, UINT64_MAX / 2, true, 1ULL << 32), 0);
	throttle_destroy(&t);
	make(&t, THROTTLE_BYTES, 1, 1);
	assert_int_equal(throttle_ask(&t, 0, true, 1ULL << 32), 0);
	assert_true(throttle_ask(&t, 1, true, 1) > 4000 * SECOND);
	/* Time that goes back is no time. */
	assert_true(throttle_ask(&t, 0, true, 1) > 4000 * SECOND);
	throttle_destroy(&t);
	make(&t, THROTTLE_OPS, 0, 0);
	assert_false(throttle_on(&t));
	throttle_destroy(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ops),	 cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_split),	 cmocka_unit_test(test_burst),
		cmocka_unit_test(test_extremes),
	};

	return cmocka_run_group_tests_name("throttle", tests, NULL, NULL);
}
