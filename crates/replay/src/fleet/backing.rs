//! What stands behind the services: queues, caches, databases, probes from outside.

use super::blueprint::Blueprint;
use super::gauge::Gauge;
use super::model::{Input, Level, Model};
use super::noise::Noise;
use super::process::Queue;
use super::season::MINUTE_MS;
use super::services::SERVICES;

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

/// Adds everything that depends on the shop as a whole, whose driver is `site`.
pub(super) fn add_backing(blueprint: &mut Blueprint, site: usize, instances_per_service: usize) {
    add_queues(blueprint, site);
    add_lags(blueprint, site);
    add_caches(blueprint, site);
    add_database(blueprint, site);
    add_probes(blueprint);
    let cluster = blueprint.target("kube-state-metrics", "kube-state-metrics:8080".to_owned());
    for service in SERVICES {
        let labels = [("deployment", service.name), ("namespace", "shop")];
        let replicas = Model::Constant(instances_per_service as f64);
        blueprint.gauge(cluster, "kube_deployment_spec_replicas", &labels, replicas);
    }
}

fn add_queues(blueprint: &mut Blueprint, site: usize) {
    let broker = blueprint.target("rabbitmq", "rabbitmq-0:15692".to_owned());
    for (queue, per_second) in [("orders", 6.0), ("emails", 3.0), ("invoices", 1.5)] {
        let per_second = per_second * blueprint.random.between(0.8, 1.2);
        let inputs = vec![Input { driver: site, gain: per_second, congested: false }];
        let bursts_per_hour = blueprint.random.between(0.15, 0.6);
        let model = Queue::new(
            Level { base: 0.05, inputs },
            1.7 * per_second,
            bursts_per_hour,
            45.0 * per_second,
        );
        let labels = [("queue", queue), ("vhost", "shop")];
        blueprint.gauge(broker, "rabbitmq_queue_messages_ready", &labels, Model::Queue(model));
    }
}

fn add_lags(blueprint: &mut Blueprint, site: usize) {
    let exporter = blueprint.target("kafka-exporter", "kafka-exporter:9308".to_owned());
    for (group, topic) in [
        ("analytics", "page-views"),
        ("indexer", "catalog-changes"),
        ("fraud", "payments"),
        ("mailer", "order-events"),
    ] {
        let usual = blueprint.random.between_log(30.0, 400.0);
        let noise = Noise::relative(0.4).remembering(6 * MINUTE_MS, 0.5);
        let lag = Gauge::about(0.25 * usual, noise)
            .following(site, usual)
            .within(0.0, f64::INFINITY)
            .in_steps_of(1.0);
        let labels = [("consumergroup", group), ("topic", topic)];
        blueprint.gauge(exporter, "kafka_consumergroup_lag", &labels, Model::Gauge(lag));
    }
}

fn add_caches(blueprint: &mut Blueprint, site: usize) {
    for (number, cache) in ["sessions", "products", "prices"].into_iter().enumerate() {
        let redis = blueprint.target("redis", format!("redis-{number}:9121"));
        let noise = Noise::relative(0.12).remembering(30 * MINUTE_MS, 0.6);
        let misses = Gauge::about(blueprint.random.between(0.03, 0.08), noise)
            .following(site, -0.008)
            .within(0.0, 1.0)
            .complemented();
        let labels = [("cache", cache)];
        blueprint.gauge(redis, "cache_hit_ratio", &labels, Model::Gauge(misses));
        let noise = Noise::absolute(1.8).remembering(12 * MINUTE_MS, 0.5);
        let clients = Gauge::about(blueprint.random.between(30.0, 50.0), noise)
            .following(site, blueprint.random.between(30.0, 70.0))
            .within(0.0, 10_000.0)
            .in_steps_of(1.0);
        blueprint.gauge(redis, "redis_connected_clients", &[], Model::Gauge(clients));
    }
}

fn add_database(blueprint: &mut Blueprint, site: usize) {
    let exporter = blueprint.target("postgres", "postgres-0:9187".to_owned());
    let labels = [("datname", "shop")];
    let noise = Noise::absolute(2.6).remembering(6 * MINUTE_MS, 0.3);
    let sessions =
        Gauge::about(12.0, noise).following(site, 42.0).within(1.0, 200.0).in_steps_of(1.0);
    blueprint.gauge(exporter, "pg_stat_activity_count", &labels, Model::Gauge(sessions));
    let noise = Noise::absolute(0.01 * GIB).remembering(60 * MINUTE_MS, 0.9);
    let stored = Gauge::about(84.0 * GIB, noise)
        .growing(blueprint.random.between(0.3, 0.8) * GIB)
        .in_steps_of(8192.0);
    blueprint.gauge(exporter, "pg_database_size_bytes", &labels, Model::Gauge(stored));
}

/// Probes from outside; their targets answer to nobody's load.
fn add_probes(blueprint: &mut Blueprint) {
    for page in ["home", "product", "basket", "status"] {
        let target = blueprint.target("blackbox", format!("https://shop.example/{page}"));
        let noise = Noise::relative(0.1).heavy(4.0).remembering(20 * MINUTE_MS, 0.2);
        let usual = blueprint.random.between(0.09, 0.4);
        let duration = Gauge::about(usual, noise).within(0.0, 9.5);
        blueprint.gauge(target, "probe_duration_seconds", &[], Model::Gauge(duration));
    }
}
