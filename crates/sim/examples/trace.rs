use beeline_sim::lanes::*; use beeline_sim::net::*; use std::time::Duration;
fn main(){
    let a:Vec<f64>=std::env::args().skip(1).map(|x|x.parse().unwrap()).collect();
    let path=Path::new(a[0],a[1] as u64,a[2],a[3]);
    let busy=a.get(4).copied().unwrap_or(0.0); let step=a.get(5).copied().unwrap_or(0.4);
    let mode=a.get(6).copied().unwrap_or(0.0);
    let mut l=Lanes::new(path,&[Feed::Throttled],1); l.busy=Duration::from_secs_f64(busy/1000.);
    if mode==4.0 { l.net.neighbour(); }
    let mut last=0; let mut p=l.net.counts(0);
    let n=a.get(7).copied().unwrap_or(16.0);
    for i in 0..((n/step) as usize) { let t=i as f64*step;
        let at=|x:f64| (t-x).abs()<step/2.;
        if mode==1.0 { if at(8.0){l.net.path.rate=5e6} if at(16.0){l.net.path.rate=20e6} }
        if mode==2.0 { if at(8.0){l.net.path.rtt=Duration::from_millis(150)} }
        if mode==3.0 { if at(8.0){l.net.path.cut_until=l.net.now()+Duration::from_secs(2)} }
        l.run(Duration::from_secs_f64(step)); let t2=l.total(); let c=l.net.counts(0); let th=l.throttle(0);
        println!("{:.2} {:.2} win {} frame {} cwnd {} drops {} queue {:.1}ms {:?} {:?}", t, (t2-last) as f64*8./step/1e6, th.window(), th.frame(), l.net.window(0,0)/1191, c.dropped-p.dropped, 1000.*(c.waited-p.waited)/((c.packets-p.packets).max(1) as f64), th.estimate(), th.debug_phase()); last=t2; p=c; }
}
