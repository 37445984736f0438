//! The budget of bodies in every order in which threads can come to it.

use std::sync::Arc;

use loom::sync::atomic;
use loom::thread;

#[path = "budget.rs"]
#[expect(clippy::duplicate_mod, reason = "the same code on loom's atomic numbers")]
mod budget;

use budget::BodyBudget;

/// Each of the budgets is resized by a thread, one of them by this one, through `sizes`, from 0. Whether there was always room for each.
fn resize(budgets: &[&Arc<BodyBudget>], sizes: &'static [usize]) -> Vec<bool> {
    let step = |budget: &BodyBudget| {
        let steps = sizes.iter().scan(0, |from, &to| Some((std::mem::replace(from, to), to)));
        steps.fold(true, |fits, (from, to)| budget.resize(from, to) && fits)
    };
    let (own, others) = budgets.split_first().expect("budgets");
    let spawn = |budget: &&Arc<BodyBudget>| {
        let budget = Arc::clone(budget);
        thread::spawn(move || step(&budget))
    };
    let others: Vec<_> = others.iter().map(spawn).collect();
    let own = step(own);
    let others = others.into_iter().map(|thread| thread.join().expect("no panic"));
    std::iter::once(own).chain(others).collect()
}

#[test]
fn what_fits_together_is_never_refused_in_any_order() {
    loom::model(|| {
        let budget = BodyBudget::new(6);
        assert_eq!(resize(&[&budget; 3], &[1, 2]), [true; 3]);
        assert_eq!(budget.bytes(), budget.bytes_max());
        (0..3).for_each(|_| _ = budget.resize(2, 0));
        assert_eq!(budget.bytes(), 0);
    });
    loom::model(|| {
        let whole = BodyBudget::new(4);
        let parts = [(); 2].map(|()| BodyBudget::within(&whole, 2));
        assert_eq!(resize(&[&parts[0], &parts[1]], &[1, 2]), [true; 2]);
        assert_eq!([&whole, &parts[0], &parts[1]].map(|budget| budget.bytes()), [4, 2, 2]);
    });
}

#[test]
fn of_those_who_do_not_fit_together_one_gets_room_in_any_order() {
    // The last one has no room even alone.
    for sizes in [&[3], &[5], &[7]] {
        loom::model(move || {
            let budget = BodyBudget::new(5);
            let told = resize(&[&budget; 3], sizes);
            assert_eq!(told.iter().filter(|&&fits| fits).count(), 1, "{told:?}");
            (0..3).for_each(|_| _ = budget.resize(sizes[0], 0));
            assert_eq!(budget.bytes(), 0);
        });
    }
}
