// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine.h"

/* A shared pin is high as long as one source holds it. */
static void test_shared(void **state)
{
	struct machine *m = machine_new();
	struct irq_source a, b, other;

	(void)state;
	irq_source_init(&a, &m->vm.irqs, 10);
	irq_source_init(&b, &m->vm.irqs, 10);
	irq_source_init(&other, &m->vm.irqs, 11);

	irq_set(&a, true);
	assert_true(m->level[10]);
	irq_set(&b, true);
	irq_set(&b, true);
	assert_int_equal(m->rises[10], 1);
	irq_set(&a, false);
	assert_true(m->level[10]);
	irq_set(&b, false);
	assert_false(m->level[10]);
	irq_set(&b, false);
	irq_set(&a, true);
	assert_true(m->level[10]);
	assert_int_equal(m->rises[10], 2);
	assert_int_equal(m->rises[11], 0);
	irq_set(&other, true);
	assert_int_equal(m->rises[11], 1);
	machine_free(m);
}

static void test_msi(void **state)
{
	struct machine *m = machine_new();

	(void)state;
	irq_msi(&m->vm.irqs, 0xfee01000, 0x4041);
	assert_int_equal(m->msis, 1);
	assert_int_equal(m->msi_addr, 0xfee01000);
	assert_int_equal(m->msi_data, 0x4041);
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_msi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
