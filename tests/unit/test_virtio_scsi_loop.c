// SPDX-License-Identifier: GPL-2.0-or-later
/* virtio-scsi: how many queues it has, and the thread that serves them. */
#include "virtio_scsi_rig.h"
#include "iothread.h"

static unsigned int num_queues(struct fixture *f)
{
	return (unsigned int)
		rig_read(f->rig,
			 VIRTIO_PCI_DEVICE + offsetof(struct virtio_scsi_config,
						      num_queues),
			 4);
}

/* Only the controller's thread runs. */
static void come_back(struct fixture *f, unsigned int q, unsigned int n)
{
	unsigned int tries = 0, used = 0;

	while ((used += rig_used(f->rig, q, NULL)) < n && tries++ < 5000)
		usleep(1000);
	assert_int_equal(used, n);
}

/* One for each vCPU, up to some; or the most that a disk asks for. */
static void test_number(void **state)
{
	static const struct {
		unsigned int cpus, first, second, want;
	} cases[] = {
		{ 1, 0, 0, 1 }, { 3, 0, 0, 3 },	  { 64, 0, 0, 16 },
		{ 1, 2, 0, 2 }, { 8, 1, 0, 1 },	  { 8, 3, 2, 3 },
		{ 8, 0, 5, 5 }, { 1, 64, 1, 64 }, { 0, 0, 0, 1 },
	};
	struct fixture *f = *state;
	unsigned int i;

	f->cfg.nr_scsi = 2;
	f->cfg.scsi[0].readonly = true;
	f->cfg.scsi[1] = f->cfg.scsi[0];
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		f->cfg.cpus = cases[i].cpus;
		f->cfg.scsi[0].queues = cases[i].first;
		f->cfg.scsi[1].queues = cases[i].second;
		f->rig = rig_new(&virtio_scsi_class, &f->cfg);
		assert_int_equal(num_queues(f), cases[i].want);
		assert_int_equal(rig_read(f->rig, VIRTIO_PCI_COMMON_NUMQ, 2),
				 REQUEST + cases[i].want);
		rig_free(f->rig);
		f->rig = NULL;
	}
}

/* What comes by each of the queues, at the same time */
static void by_both(struct fixture *f)
{
	struct ask one = READ(0, 8, 4), two = READ(0, 100, 4);
	unsigned int round;

	two.slot = 1;
	two.queue = 1;
	for (round = 0; round < 50; round++) {
		add(f, &one);
		add(f, &two);
		rig_ring(f->rig, round % 2 ? REQUEST : REQUEST + 1);
		rig_ring(f->rig, round % 2 ? REQUEST + 1 : REQUEST);
		come_back(f, REQUEST, 1);
		come_back(f, REQUEST + 1, 1);
		assert_int_equal(resp_of(f, 0)->status, 0);
		assert_int_equal(resp_of(f, 1)->status, 0);
		assert_int_equal(*(uint32_t *)data_of(f, 0), 8 << 8);
		assert_int_equal(*(uint32_t *)data_of(f, 1), 100 << 8);
	}
}

static void start_two(struct fixture *f)
{
	f->cfg.scsi[0].queues = 2;
	f->cfg.scsi[0].iothreads = 1;
	start(f, 0);
	settle(f, 0);
}

static void test_thread(void **state)
{
	struct fixture *f = *state;

	start_two(f);
	assert_string_equal(f->rig->vm.iothreads->name, "io-scsi0");
	assert_null(f->rig->vm.iothreads->next);
	assert_false(f->rig->vm.iothreads->bound);
	assert_int_equal(f->rig->vm.iothreads->poll_max_ns, 0);
	by_both(f);
}

/* A driver that does not ring while nobody wants to hear it. */
static void unrung(struct fixture *f, unsigned int q, unsigned int rounds)
{
	const struct vring_used *used =
		rig_mem(f->rig, RIG_USED(REQUEST + q), 6);
	struct ask ask = READ(0, 8, 1);
	unsigned int i, n = 0;

	ask.queue = q;
	for (i = 0; i < rounds && n < 20; i++) {
		add(f, &ask);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (__atomic_load_n(&used->flags, __ATOMIC_RELAXED) &
		    VRING_USED_F_NO_NOTIFY)
			n++;
		else
			rig_ring(f->rig, REQUEST + q);
		come_back(f, REQUEST + q, 1);
		assert_int_equal(resp_of(f, 0)->status, 0);
	}
}

static void test_polling(void **state)
{
	struct fixture *f = *state;

	f->cfg.scsi[0].poll = 1000;
	start_two(f);
	assert_int_equal(f->rig->vm.iothreads->poll_max_ns, 1000000);
	by_both(f);
	unrung(f, 0, 500);
	unrung(f, 1, 500);
	/* A stop finds it polling. */
	devices_stop(&f->rig->vm);
	devices_start(&f->rig->vm);
	by_both(f);
	/* Control and event queues are as ever. */
	assert_int_equal(tmf(f, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, 0, 0, 0),
			 VIRTIO_SCSI_S_OK);
	settle(f, 0);
}

static void test_processors(void **state)
{
	struct fixture *f = *state;
	struct error err = { "" };
	struct rig *rig;
	cpu_set_t is;
	int cpu = sched_getcpu();
	char one[16];

	snprintf(one, sizeof(one), "%d", cpu);
	f->cfg.nr_scsi = 3;
	f->cfg.scsi[0].readonly = true;
	f->cfg.scsi[2] = f->cfg.scsi[1] = f->cfg.scsi[0];
	f->cfg.scsi[1].iothreads = 1;
	f->cfg.scsi[1].cpus = one;
	f->cfg.scsi[1].poll = 3;
	f->cfg.scsi[2].poll = 2;
	start(f, 0);
	assert_int_equal(f->rig->vm.iothreads->poll_max_ns, 3000);
	assert_int_equal(pthread_getaffinity_np(f->rig->vm.iothreads->thread,
						sizeof(is), &is),
			 0);
	assert_int_equal(CPU_COUNT(&is), 1);
	assert_true(CPU_ISSET((size_t)cpu, &is));
	rig_free(f->rig);
	f->rig = NULL;

	f->cfg.scsi[2].cpus = "4-7";
	assert_int_equal(rig_init(&rig, &virtio_scsi_class, &f->cfg, &err),
			 -EINVAL);
	assert_string_equal(strstr(err.text, "cpus=4-7"), "cpus=4-7");
	rig_free(rig);

	f->cfg.scsi[1].cpus = f->cfg.scsi[2].cpus = "x";
	assert_int_equal(rig_init(&rig, &virtio_scsi_class, &f->cfg, &err),
			 -EINVAL);
	rig_free(rig);
}

#define T_(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_(test_number),
		T_(test_thread),
		T_(test_polling),
		T_(test_processors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
