// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtio-scsi with an I/O thread: requests that wait for limits or, after the
 * host has failed, for the machine to go on, and what ends them before.
 */
#include "virtio_scsi_rig.h"
#include "block/qcow2.h"
#include "block/throttle.h"
#include "iothread.h"

#define T(name) VIRTIO_SCSI_T_TMF_##name
#define S(name) VIRTIO_SCSI_S_##name

static void begin(struct fixture *f, struct rig_watch *w, uint64_t features)
{
	f->cfg.scsi[0].iothreads = 1;
	start(f, features);
	rig_watch(f->rig, w);
	assert_string_equal(f->rig->vm.iothreads->name, "io-scsi0");
	settle(f, 0);
}

static void cut(struct fixture *f, bool off)
{
	assert_int_equal(truncate(f->path[0], off ? 512 : SECTORS * 512), 0);
}

/* Two reads, of which the host can do neither. */
static void fail_two(struct fixture *f, struct rig_watch *w)
{
	struct ask one = READ(0, 8, 8), two = READ(0, 16, 8);

	one.tag = 11;
	two.tag = 22;
	two.slot = 1;
	cut(f, true);
	w->io_errors = 0;
	add(f, &one);
	add(f, &two);
	rig_kick(f->rig, REQUEST);
	rig_wait_error(w);
	assert_true(w->last.stops);
	assert_int_equal(w->last.err, EIO);
	assert_false(w->last.write);
	assert_string_equal(w->last.device, "scsi0-hd0");
	assert_int_equal(rig_used(f->rig, REQUEST, NULL), 0);
}

static int failed(struct fixture *f)
{
	struct scsi_status_of st;

	assert_true(virtio_scsi_status(f->rig->dev, 0, &st));
	return st.blk.failed;
}

static void test_report(void **state)
{
	struct fixture *f = *state;
	const struct ask read = READ(0, 8, 8);
	struct virtio_scsi_cmd_resp *resp;
	struct rig_watch w;

	begin(f, &w, 0);
	cut(f, true);
	resp = request(f, &read, NULL);
	assert_int_equal(resp->status, 2);
	assert_int_equal(resp->sense[2], 3);
	assert_int_equal(resp->sense[12], 0x11);
	rig_wait_error(&w);
	assert_false(w.last.stops);
	assert_int_equal(failed(f), EIO);
}

/* They are tried again when the VM goes on, and the guest never knows. */
static void test_stop(void **state)
{
	struct fixture *f = *state;
	struct rig_watch w;

	f->cfg.scsi[0].on_error = ON_ERROR_STOP;
	begin(f, &w, 0);
	fail_two(f, &w);
	assert_int_equal(failed(f), EIO);
	/* Still in vain */
	devices_stop(&f->rig->vm);
	w.io_errors = 0;
	devices_start(&f->rig->vm);
	rig_wait_error(&w);
	assert_int_equal(rig_used(f->rig, REQUEST, NULL), 0);
	devices_stop(&f->rig->vm);
	cut(f, false);
	devices_start(&f->rig->vm);
	finish(f, REQUEST, 2, NULL);
	assert_int_equal(resp_of(f, 0)->status, 0);
	assert_int_equal(resp_of(f, 1)->status, 0);
	assert_int_equal(failed(f), 0);
}

static void test_abort_held(void **state)
{
	struct fixture *f = *state;
	struct rig_watch w;

	f->cfg.scsi[0].on_error = ON_ERROR_STOP;
	begin(f, &w, 0);
	fail_two(f, &w);
	assert_int_equal(tmf(f, T(QUERY_TASK), 0, 0, 22),
			 S(FUNCTION_SUCCEEDED));
	assert_int_equal(tmf(f, T(ABORT_TASK), 0, 0, 22), S(OK));
	finish(f, REQUEST, 1, NULL);
	assert_int_equal(resp_of(f, 1)->response, S(ABORTED));
	assert_int_equal(tmf(f, T(QUERY_TASK), 0, 0, 22), S(OK));
	assert_int_equal(tmf(f, T(LOGICAL_UNIT_RESET), 0, 0, 0), S(OK));
	finish(f, REQUEST, 1, NULL);
	assert_int_equal(resp_of(f, 0)->response, S(RESET));
	cut(f, false);
	settle(f, 0);
}

static void test_reset_held(void **state)
{
	struct fixture *f = *state;
	struct rig_watch w;

	f->cfg.scsi[0].on_error = ON_ERROR_STOP;
	begin(f, &w, 0);
	fail_two(f, &w);
	rig_drive(f->rig, 0);
	cut(f, false);
	settle(f, 0);
	fail_two(f, &w);
	devices_stop(&f->rig->vm);
	devices_reset(&f->rig->vm);
	cut(f, false);
	devices_start(&f->rig->vm);
	rig_run(f->rig);
	assert_int_equal(resp_of(f, 0)->response, UNTOUCHED);
	rig_drive(f->rig, 0);
	settle(f, 0);
	/* And the machine may end with some. */
	fail_two(f, &w);
}

static void test_queue_reset_held(void **state)
{
	struct fixture *f = *state;
	struct rig_watch w;
	unsigned int n = 0;

	f->cfg.scsi[0].on_error = ON_ERROR_STOP;
	begin(f, &w, 1ULL << 40);
	fail_two(f, &w);
	rig_write(f->rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, REQUEST);
	rig_write(f->rig, 58, 2, 1);
	while (rig_read(f->rig, 58, 2) && n++ < 500)
		rig_run(f->rig);
	assert_int_equal(rig_read(f->rig, 58, 2), 0);
	rig_queue(f->rig, REQUEST);
	devices_stop(&f->rig->vm);
	cut(f, false);
	devices_start(&f->rig->vm);
	rig_run(f->rig);
	assert_int_equal(rig_used(f->rig, REQUEST, NULL), 0);
	assert_int_equal(resp_of(f, 0)->response, UNTOUCHED);
	assert_int_equal(request(f, &(struct ask)READ(0, 8, 8), NULL)->status,
			 0);
}

static void test_detach_held(void **state)
{
	struct fixture *f = *state;
	struct scsi_status_of st;
	struct rig_watch w;
	unsigned int tries = 0;

	f->cfg.scsi[0].on_error = ON_ERROR_STOP;
	begin(f, &w, 0);
	fail_two(f, &w);
	virtio_scsi_detach(f->rig->dev, 0);
	assert_false(virtio_scsi_status(f->rig->dev, 0, &st));
	finish(f, REQUEST, 2, NULL);
	assert_int_equal(resp_of(f, 0)->response, S(BAD_TARGET));
	/* Its image is free then. */
	cut(f, false);
	while (virtio_scsi_attach(f->rig->dev, &f->cfg.scsi[0], NULL) &&
	       tries++ < 100)
		rig_run(f->rig);
	settle(f, 0);
}

static void limit(struct fixture *f)
{
	f->cfg.scsi[0].iops = 1;
	f->cfg.scsi[0].iops_burst = 1; /* and one as soon as it is not full */
}

static void add_reads(struct fixture *f, unsigned int n)
{
	struct ask read = READ(0, 8, 2);
	unsigned int i;

	for (i = 0; i < n; i++) {
		read.slot = i % 3;
		read.tag = i;
		add(f, &read);
	}
	rig_kick(f->rig, REQUEST);
}

/* A stop does not wait for the limits, and neither does who aborts. */
static void test_limits(void **state)
{
	struct throttle_limit none[THROTTLE_KINDS] = { 0 };
	struct fixture *f = *state;
	struct rig_watch w;

	limit(f);
	begin(f, &w, 0);
	add_reads(f, 5);
	finish(f, REQUEST, 2, NULL);
	devices_stop(&f->rig->vm);
	assert_int_equal(rig_used(f->rig, REQUEST, NULL), 3);
	assert_int_equal(resp_of(f, 2)->status, 0);
	devices_start(&f->rig->vm);

	add_reads(f, 4);
	assert_int_equal(tmf(f, T(QUERY_TASK), 0, 0, 3), S(FUNCTION_SUCCEEDED));
	assert_int_equal(tmf(f, T(ABORT_TASK), 0, 0, 3), S(OK));
	assert_int_equal(resp_of(f, 0)->response, S(ABORTED));
	assert_int_equal(tmf(f, T(ABORT_TASK_SET), 0, 0, 0), S(OK));
	finish(f, REQUEST, 4, NULL);

	throttle_set(virtio_scsi_throttle(f->rig->dev, 0), none);
	add_reads(f, 5);
	finish(f, REQUEST, 5, NULL);
}

static void test_reset_limited(void **state)
{
	struct fixture *f = *state;
	struct rig_watch w;

	limit(f);
	begin(f, &w, 0);
	add_reads(f, 5);
	rig_drive(f->rig, 0);
	settle(f, 0);
	add_reads(f, 5);
	virtio_scsi_detach(f->rig->dev, 0);
	finish(f, REQUEST, 5, NULL);
}

static void test_resize(void **state)
{
	const struct rig_buf buf = { EVENTS, 16, true };
	const struct virtio_scsi_event *e;
	const struct ask ready = { .lun = TARGET(0) };
	struct fixture *f = *state;
	struct error err = { "" };
	struct rig_watch w;

	begin(f, &w, F(CHANGE));
	rig_add(f->rig, EVENT, &buf, 1);
	rig_kick(f->rig, EVENT);
	assert_int_equal(virtio_scsi_resize(f->rig->dev, 0, 4096 * 512, &err),
			 0);
	finish(f, EVENT, 1, NULL);
	e = rig_mem(f->rig, EVENTS, sizeof(*e));
	assert_int_equal(e->event, VIRTIO_SCSI_T_PARAM_CHANGE);
	assert_int_equal(e->reason, 0x2a | 0x09 << 8);
	assert_int_equal(request(f, &ready, NULL)->sense[12], 0x2a);
	assert_int_equal(request(f, &(struct ask)READ(0, 4088, 8), NULL)->status,
			 0);
	assert_int_equal(virtio_scsi_resize(f->rig->dev, 1, 0, &err), -EINVAL);
}

/* The main thread tells what the drive does, in order. */
static void test_tray(void **state)
{
	struct fixture *f = *state;
	const struct block_options options = { .path = f->path[1],
					       .readonly = true };
	struct ask load = { .lun = TARGET(1), .cdb = { 0x1b, 0, 0, 0, 2 } };
	struct error err = { "" };
	struct rig_watch w;

	begin(f, &w, 0);
	settle(f, 1);
	assert_int_equal(request(f, &load, NULL)->status, 0);
	rig_run(f->rig);
	assert_int_equal(w.moves, 1);
	assert_true(f->rig->vm.tray.open);
	load.cdb[4] = 3;
	assert_int_equal(request(f, &load, NULL)->status, 0);
	rig_run(f->rig);
	assert_int_equal(w.moves, 2);
	assert_false(f->rig->vm.tray.open);
	assert_int_equal(virtio_scsi_eject(f->rig->dev, 1, false, &err), 0);
	assert_int_equal(virtio_scsi_insert(f->rig->dev, 1, &options, false,
					    &err),
			 0);
	rig_run(f->rig);
	assert_int_equal(w.moves, 4);
	assert_false(f->rig->vm.tray.open);
}

static void test_qcow2(void **state)
{
	const struct qcow2_create how = {
		.size = SECTORS * 512,
		.version = 3,
		.cluster_size = 4096,
		.refcount_bits = 16,
	};
	const struct ask write = { .lun = TARGET(0),
				   .len = 1024,
				   .out = true,
				   .cdb = { 0x2a, 0, 0, 0, 0, 5, 0, 0, 2 } };
	const struct ask read = READ(0, 4, 4);
	struct fixture *f = *state;
	struct rig_watch w;
	int fd = open(f->path[0], O_RDWR | O_TRUNC);

	assert_int_equal(qcow2_create(fd, &how, NULL), 0);
	close(fd);
	f->cfg.scsi[0].format = (char *)"qcow2";
	begin(f, &w, 0);
	memset(data_of(f, 0), 0x5a, 1024);
	assert_int_equal(request(f, &write, NULL)->status, 0);
	assert_int_equal(request(f, &read, NULL)->status, 0);
	assert_int_equal(data_of(f, 0)[511], 0);
	assert_int_equal(data_of(f, 0)[512], 0x5a);
	assert_int_equal(data_of(f, 0)[1535], 0x5a);
	assert_int_equal(data_of(f, 0)[1536], 0);
}

#define T_(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_(test_report),
		T_(test_stop),
		T_(test_abort_held),
		T_(test_reset_held),
		T_(test_queue_reset_held),
		T_(test_detach_held),
		T_(test_limits),
		T_(test_reset_limited),
		T_(test_resize),
		T_(test_tray),
		T_(test_qcow2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
